import { writeSync } from 'node:fs'
import { Session, type Debugger, type InspectorNotification } from 'node:inspector'
import { createRequire } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import type pg from 'pg'
import { BEATS, PLACE } from './call-mark.js'
import { confirm, suspect, takeBack, type Connection } from './strike-store.js'
import type { WatchdogData, WatchdogNews } from './watchdog.js'

/** The watchdog's thread. It shares no object with the main thread and asks it for nothing: that one may stand still. */
const data = workerData as WatchdogData
const cells = new Int32Array(data.cells)
const places = new Map<number, { readonly instance: string; readonly operation: string }>()
const files = new Map<string, string>()

/**
 * The client for PostgreSQL is loaded in trouble only: it would take half of this thread's memory. The main thread has it too,
 * so it is there. Without a promise, since the pool of threads that reads files may be held.
 */
const load = createRequire(import.meta.url)

const TICK_MS = 250
/** A call of this length is written down: the process may be ended from outside, or run out of memory, at any moment. */
const SUSPECT_MS = 1_000
const DATABASE_MS = 3_000

let lastBeat = -1
/** Counted in ticks, not by a clock: a process that was stopped and goes on has not stood still by itself. */
let still = 0
let suspected = false
let told = false
let busy = false

parentPort?.on('message', (news: WatchdogNews) => {
  if ('place' in news) places.set(news.place, news)
  else files.set(news.instance, news.file)
})
setInterval(() => {
  if (busy) return
  busy = true
  look()
    .catch(() => undefined)
    .finally(() => (busy = false))
}, TICK_MS)

async function look(): Promise<void> {
  const beat = cells[BEATS] ?? 0
  if (beat !== lastBeat) {
    lastBeat = beat
    still = 0
    told = false
    if (suspected) {
      await onDatabase((connection) => takeBack(connection, data.strike))
      suspected = false
    }
    return
  }
  still += TICK_MS
  const inside = places.get(cells[PLACE] ?? 0)
  if (inside !== undefined && !suspected && still >= SUSPECT_MS) {
    suspected = true
    await onDatabase((connection) => suspect(connection, { id: data.strike, host: data.host, ...inside }))
  }
  if (still < data.blockedMs) return
  const guilty = inside ?? (await fromStack())
  if (guilty !== null) return end(guilty)
  if (!told) say({ level: 'error', code: 'TL_NODE_OVERLOADED', stillMs: still, msg: 'the event loop stands still' })
  told = true
}

async function end(guilty: { readonly instance: string; readonly operation: string }): Promise<void> {
  const { instance, operation } = guilty
  await onDatabase(async (connection) => {
    await suspect(connection, { id: data.strike, host: data.host, instance, operation })
    await confirm(connection, data.strike)
  }).catch(() =>
    say({ level: 'warn', instance, msg: 'the strike could not be stored; the instance will be started again' }),
  )
  say({
    level: 'fatal',
    code: 'TL_PLUGIN_BLOCKED',
    instance,
    operation,
    stillMs: still,
    userAction: `The process ends, and ${instance} is in quarantine. Mend the plugin, then run \`throughline plugin release ${instance}\`.`,
    msg: 'a plugin instance does not give the event loop back',
  })
  // Nothing less ends a process whose main thread does not come back.
  process.kill(process.pid, 'SIGKILL')
}

/** After an await a plugin's code runs outside of any call: the stack of the main thread tells whose file it is. */
async function fromStack(): Promise<{ instance: string; operation: string } | null> {
  const session = new Session()
  let timer: NodeJS.Timeout | undefined
  try {
    session.connectToMainThread()
    const frames = await new Promise<readonly Debugger.CallFrame[]>((resolve) => {
      timer = setTimeout(() => resolve([]), 2_000)
      session.on('Debugger.paused', ({ params }: InspectorNotification<Debugger.PausedEventDataType>) =>
        resolve(params.callFrames),
      )
      session.post('Debugger.enable', () => session.post('Debugger.pause'))
    })
    for (const { url, functionName } of frames) {
      const path = decodeURIComponent(url.replace(/^file:\/\//, '').replace(/\?.*$/, ''))
      const found = [...files].find(([, file]) => file === path)
      if (found !== undefined) return { instance: found[0], operation: functionName || 'later' }
    }
    return null
  } catch {
    return null
  } finally {
    clearTimeout(timer)
    try {
      session.disconnect()
    } catch {
      // It was never connected.
    }
  }
}

async function onDatabase(work: (connection: Connection) => Promise<void>): Promise<void> {
  const { Client } = load('pg') as typeof pg
  const client = new Client({
    connectionString: data.databaseUrl,
    application_name: 'throughline-watchdog',
    connectionTimeoutMillis: DATABASE_MS,
    query_timeout: DATABASE_MS,
  })
  client.on('error', () => undefined)
  await client.connect()
  try {
    await work({ query: (text, values) => client.query(text, [...values]) })
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Past the log, which lives in the main thread. */
function say(line: Readonly<Record<string, unknown>>): void {
  writeSync(2, `${JSON.stringify({ time: new Date().toISOString(), ...line })}\n`)
}
