import { fork } from 'node:child_process'
import { WebSocket } from 'ws'
import { signIn, ticketFrom } from '@throughline/plugin-sdk/agent-client'
import { startEngineProcess, type EngineProcess } from '../src/support/engine.js'
import { configWith } from '../src/support/workplace.js'
import type { Scope } from './scope.js'

export const channel = 'api'
export const secret = 'a-secret-only-for-this-bench-0123456789'

/** The engine as delivered: identity, default rule files, routing and offers on; one signed channel. */
export function startEngine(scope: Scope, databaseUrl: string): Promise<EngineProcess> {
  const config = configWith({
    channels: {
      [channel]: { use: 'channel-http', kind: 'messaging', config: { secret, deliverUrl: 'http://127.0.0.1:9/' } },
    },
  })
  return startEngineProcess(scope, { config, databaseUrl })
}

export interface Listener {
  /** Of the agent's session, for requests beside the socket. */
  readonly token: string
  /** Numbers of the messages that came, and when; a number that comes twice is an error. */
  readonly arrived: ReadonlyMap<number, number>
  readonly twice: number
  waitFor(count: number, patienceMs: number): Promise<void>
}

/** A subscribed agent, online, taking offers: the socket every message must reach. Parses no more than it must. */
export async function subscribe(scope: Scope, engine: EngineProcess): Promise<Listener> {
  const { token } = await signIn(engine.url, { code: engine.signInCode })
  const ticket = await ticketFrom(engine.url, token)
  const socket = new WebSocket(`${engine.url.replace('http', 'ws')}/v1/agent/ws`, 'agent.v1.json')
  scope.teardown(() => socket.terminate())
  const arrived = new Map<number, number>()
  let twice = 0
  let wake: () => void = () => undefined
  const welcome = new Promise<void>((resolve, reject) => {
    socket.on('open', () => socket.send(JSON.stringify({ t: 'hello', d: { ticket } })))
    socket.on('error', reject)
    socket.on('message', (data: Buffer) => {
      const text = data.toString()
      if (text.startsWith('{"t":"message.inbound"')) {
        const number = Number(/"text":"#(\d+) /.exec(text)?.[1])
        if (arrived.has(number)) twice += 1
        else arrived.set(number, performance.now())
        wake()
      } else if (text.startsWith('{"t":"ping"')) socket.send('{"t":"pong"}')
      else if (text.startsWith('{"t":"welcome"')) {
        socket.send(JSON.stringify({ t: 'presence.set', id: 'online', d: { state: 'online' } }))
        resolve()
      }
    })
  })
  await welcome
  return {
    token,
    arrived,
    get twice() {
      return twice
    },
    waitFor: (count, patienceMs) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(
          () => reject(new Error(`${arrived.size} of ${count} messages reached the socket`)),
          patienceMs,
        )
        wake = () => {
          if (arrived.size < count) return
          clearTimeout(late)
          resolve()
        }
        wake()
      }),
  }
}

export interface LoadResult {
  readonly done: number
  readonly failed: number
  readonly seconds: number
  readonly cpuS: number
}

/** Posts `count` messages from `senders` customers; the requests are built and signed before the clock starts. */
export async function load(
  engine: EngineProcess,
  options: { readonly first: number; readonly count: number; readonly senders: number; readonly connections: number },
): Promise<{ readonly startedAt: number; readonly result: Promise<LoadResult> }> {
  const { go, result } = await prepareLoad(engine, options)
  const startedAt = performance.now()
  go()
  return { startedAt, result }
}

/** The same, with the start left to the caller. */
export async function prepareLoad(
  engine: EngineProcess,
  options: { readonly first: number; readonly count: number; readonly senders: number; readonly connections: number },
): Promise<{ readonly go: () => void; readonly result: Promise<LoadResult> }> {
  const args = [engine.port, channel, secret, options.first, options.count, options.senders, options.connections].map(
    String,
  )
  const child = fork(new URL('./load.js', import.meta.url), args)
  await new Promise((resolve) => child.once('message', resolve))
  const result = new Promise<LoadResult>((resolve, reject) => {
    child.once('message', (message) => resolve(message as LoadResult))
    child.once('exit', (code) => reject(new Error(`the load generator ended with ${code}`)))
  })
  return { go: () => void child.send('go'), result }
}
