import { fork, type ChildProcess } from 'node:child_process'
import { signIn, ticketFrom } from '@throughline/plugin-sdk/agent-client'
import { createDatabase } from './database.js'
import { prepareLoad, startEngine } from './engine.js'
import { createScope, median, type Scope } from './scope.js'
import type { Line } from './report.js'

const ROUNDS = 3
const SOCKETS = 1_000
const COUNT = 500
const SENDERS = 50

const heard = <T>(child: ChildProcess): Promise<T> =>
  new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as T))
    child.once('exit', (code) => reject(new Error(`${child.spawnfile} ended with ${code}`)))
  })

function start(scope: Scope, file: string, ...args: string[]): ChildProcess {
  const child = fork(new URL(file, import.meta.url), args)
  scope.teardown(() => child.kill())
  return child
}

async function clients(
  scope: Scope,
  port: number,
  path: string,
  protocol: string,
  tickets: readonly (string | null)[],
): Promise<(count: number, go: () => void) => Promise<{ rate: number; clientCores: number }>> {
  const child = start(scope, './b4-clients.js', String(port), path, protocol)
  const ready = heard(child)
  child.send({ tickets })
  await ready
  return async (count, go) => {
    const counting = heard(child)
    child.send({ count })
    await counting
    const from = performance.now()
    const done = heard<{ cpuS: number }>(child)
    go()
    const { cpuS } = await done
    const seconds = (performance.now() - from) / 1000
    return { rate: (count * tickets.length) / seconds, clientCores: cpuS / seconds }
  }
}

/** Frames a second to a thousand agents' sockets: signed webhooks through the whole engine, against a bare broadcast loop. */
export async function b4(serverUrl: string): Promise<Line> {
  const scope = createScope()
  try {
    const engine = await startEngine(scope, await createDatabase(serverUrl, 'bench_b4'))
    const { token } = await signIn(engine.url, { code: engine.signInCode })
    const tickets: string[] = []
    while (tickets.length < SOCKETS) tickets.push(await ticketFrom(engine.url, token))
    const agents = await clients(scope, engine.port, '/v1/agent/ws', 'agent.v1.json', tickets)
    const bare = start(scope, './b4-bare.js')
    const { port } = await heard<{ port: number }>(bare)
    const others = await clients(
      scope,
      port,
      '/',
      '-',
      tickets.map(() => null),
    )
    let first = 0
    const round = async (count: number) => {
      const run = await prepareLoad(engine, { first, count, senders: SENDERS, connections: 64 })
      first += count
      const outcome = await agents(count, () => run.go())
      await run.result
      return outcome
    }
    // As long as what the engine sends.
    const text = `{"t":"message.inbound","position":1234567,"prev":1234566,"ts":1790000000000,"d":${JSON.stringify({
      messageId: '01a1fd0e-b377-76d6-86d6-d5471e4a4b34',
      channel: 'api',
      touchpoint: '01a1fd0e-b358-7083-bcf1-31786355b88b',
      version: 12,
      at: 1_790_000_000_000,
      text: '#1234 Where is my order? It should have been here on Tuesday.',
      parts: ['text'],
      conversation: '01a1fd0e-b377-76d6-86d6-d5471e4a4b34',
      contact: '01a1fd0e-b377-76d6-86d6-d5471e4a4b35',
      actor: { kind: 'customer', id: '01a1fd0e-b377-76d6-86d6-d5471e4a4b35' },
      causeId: 'in_1234',
    })}}`
    await round(100)
    await others(100, () => void bare.send({ count: 100, text }))
    const ours: number[] = []
    const theirs: number[] = []
    const cores: number[] = []
    for (let i = 0; i < ROUNDS; i++) {
      const mine = await round(COUNT)
      ours.push(mine.rate)
      cores.push(mine.clientCores)
      theirs.push((await others(COUNT, () => void bare.send({ count: COUNT, text }))).rate)
    }
    return {
      bench: 'B4',
      ratio: median(ours) / median(theirs),
      goal: '>= 0.7',
      ours: median(ours),
      theirs: median(theirs),
      unit: 'frames/s to 1,000 sockets, by a bare ws loop',
      rounds: { ours, theirs },
      messages: COUNT,
      clientCores: median(cores),
    }
  } finally {
    await scope.end()
  }
}
