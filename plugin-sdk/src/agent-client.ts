/**
 * The reference client of `agent.v1`: what the console uses, and what any tool may use. No dependencies; runs in browsers
 * and in Node (Node 20 has no WebSocket of its own: pass the one of the package `ws`).
 *
 * It keeps the cursor and the unanswered commands: after a cut it resumes where it was, without a gap and without showing an
 * event twice, and sends the commands again with the ids they had, so that each acts once.
 *
 * @example
 * const { token } = await signIn('http://localhost:8080', { code })
 * const client = createAgentClient({
 *   url: 'ws://localhost:8080/v1/agent/ws',
 *   ticket: () => ticketFrom('http://localhost:8080', token),
 *   onEvent: (event) => console.log(event.t),
 * })
 * await client.send('presence.set', { state: 'online' })
 */
export { signIn, ticketFrom, type Credentials } from './agent-client-session.js'
import type {
  AgentClient,
  AgentClientOptions,
  AgentEvent,
  ClientState,
  Cursor,
  SocketConstructor,
  SocketLike,
} from './agent-client-contract.js'
import { AgentClientError } from './agent-client-error.js'
import { createPace } from './agent-client-pace.js'
export type * from './agent-client-contract.js'
export { AgentClientError } from './agent-client-error.js'

interface Waiting {
  readonly frame: string
  readonly resolve: (data: unknown) => void
  readonly reject: (error: AgentClientError) => void
}

const PROTOCOL = 'agent.v1.json'
const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 30_000
const ACK_EVERY = 100
const ACK_MS = 5_000
/** Codes after which another connection would end the same way. */
const FINAL: Readonly<Record<number, string>> = {
  4400: 'this client sent something malformed',
  4403: 'this origin may not connect',
  4409: 'another session took over',
  4499: 'your rights were revoked; sign in again',
}

export function createAgentClient(options: AgentClientOptions): AgentClient {
  const Socket = options.WebSocket ?? (globalThis as { WebSocket?: SocketConstructor }).WebSocket
  if (Socket === undefined) throw new TypeError('pass WebSocket: this runtime has none of its own (use the package ws)')
  const random = options.random ?? Math.random
  /** In the order of sending; a Map keeps it. */
  const waiting = new Map<string, Waiting>()
  let cursor: Cursor | null = options.cursor ?? null
  let socket: SocketLike | null = null
  let live = false
  let stopped = false
  let failures = 0
  let lastHeard = 0
  let beatMs = 15_000
  let unacked = 0
  let syncing = false
  let retry: ReturnType<typeof setTimeout> | undefined

  /** A backlog (hours away, then a cut) goes out at the speed the server allows; all at once it would be refused for ever. */
  const pace = createPace((id) => {
    const one = waiting.get(id)
    if (one === undefined || !live || socket?.readyState !== 1) return false
    socket.send(one.frame)
    return true
  })
  const state = (now: ClientState) => options.onState?.(now)
  const put = (frame: Readonly<Record<string, unknown>>, to = socket) => {
    if (to?.readyState === 1) to.send(JSON.stringify(frame))
  }
  const ack = () => {
    if (unacked === 0 || cursor === null || !live) return
    unacked = 0
    put({ t: 'ack', d: { position: cursor.position } })
  }
  const timer = setInterval(() => {
    ack()
    // No word for two beats: the line is dead though nobody said so.
    if (live && Date.now() - lastHeard > 2 * beatMs + 5_000) drop(socket)
  }, ACK_MS)
  ;(timer as { unref?: () => void }).unref?.()
  const beat = setInterval(() => live && put({ t: 'ping', d: { position: cursor?.position ?? 0 } }), 10_000)
  ;(beat as { unref?: () => void }).unref?.()

  function stop(reason: string, code: string): void {
    if (stopped) return
    stopped = true
    live = false
    clearInterval(timer)
    clearInterval(beat)
    clearTimeout(retry)
    pace.stop()
    for (const one of waiting.values()) one.reject(new AgentClientError(code, reason))
    waiting.clear()
    state('stopped')
  }

  /** Treats a socket as closed although it has not said so. */
  function drop(which: SocketLike | null): void {
    if (which === null || which !== socket) return
    which.close(4000, 'no heartbeat')
    lost(which, 1006)
  }

  function lost(which: SocketLike, code: number): void {
    if (which !== socket || stopped) return
    socket = null
    live = false
    const final = FINAL[code]
    if (final !== undefined) return stop(final, code === 4499 ? 'TL_AUTH_UNAUTHENTICATED' : 'TL_SOCKET_BAD_FRAME')
    state('waiting')
    tryLater()
  }

  /** Full jitter: after a node's end its clients do not come back in one moment. */
  function tryLater(): void {
    const ceiling = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10))
    failures += 1
    retry = setTimeout(() => void connect(), random() * ceiling)
  }

  async function connect(): Promise<void> {
    if (stopped) return
    state('connecting')
    let ticket: string
    try {
      ticket = await options.ticket()
    } catch (error) {
      if ((error as { code?: unknown }).code === 'TL_AUTH_UNAUTHENTICATED')
        return stop('the session is over; sign in again', 'TL_AUTH_UNAUTHENTICATED')
      return tryLater()
    }
    if (stopped) return
    open(ticket)
  }

  function open(ticket: string): void {
    const next = new Socket!(options.url, PROTOCOL)
    const previous = socket
    // On a move the old connection stays until the new one has resumed.
    if (previous === null) socket = next
    next.addEventListener('open', () => {
      put(
        {
          t: 'hello',
          d: {
            ticket,
            ...(cursor ? { resume: cursor } : {}),
            ...(options.intents ? { subs: { intents: options.intents } } : {}),
          },
        },
        next,
      )
    })
    next.addEventListener('message', (event) => {
      lastHeard = Date.now()
      const frame = parse(event.data)
      if (frame === null) return
      if (frame['t'] === 'welcome') {
        if (previous !== null && socket === previous) {
          socket = next
          previous.close(1000, 'moved')
        } else if (socket === null) {
          // The old connection ended before this one was ready: this one takes over, no third one is opened.
          clearTimeout(retry)
          socket = next
        } else if (socket !== next) {
          next.close(1000, 'not needed')
          return
        }
        return welcome(frame)
      }
      if (next === socket) receive(frame)
    })
    next.addEventListener('close', (event) => lost(next, event.code))
    next.addEventListener('error', () => undefined)
  }

  function welcome(frame: Record<string, unknown>): void {
    const d = frame['d'] as {
      epoch: string
      position: number
      mode?: string
      hbMs: number
      limits?: { rate: number; inflight: number }
    }
    beatMs = d.hbMs
    failures = 0
    live = true
    syncing = false
    // On a move the old connection went on after the hello: what it brought meanwhile is replayed, and not shown again.
    const ahead = d.mode === 'resumed' && cursor?.epoch === d.epoch && cursor.position > d.position
    if (!ahead) cursor = { epoch: d.epoch, position: d.position }
    state('live')
    pace.begin([...waiting.keys()], d.limits)
  }

  function receive(frame: Record<string, unknown>): void {
    const type = frame['t']
    if (typeof type !== 'string') return
    switch (type) {
      case 'ping':
        return put({ t: 'pong', d: { position: cursor?.position ?? 0 } })
      case 'pong':
        return
      case 'result':
      case 'error':
        return settle(frame)
      case 'resync':
        syncing = false
        return resync(frame['d'] as { reason?: string; epoch?: string; position?: number })
      case 'reconnect': {
        const { afterMs = 0 } = (frame['d'] ?? {}) as { afterMs?: number }
        const from = socket
        setTimeout(() => {
          if (!stopped && socket === from) options.ticket().then(open, () => undefined)
        }, afterMs)
        return
      }
      default:
        return event(type, frame)
    }
  }

  function event(type: string, frame: Record<string, unknown>): void {
    const { position, prev } = frame as { position?: number; prev?: number }
    const said: AgentEvent = {
      t: type,
      d: (frame['d'] ?? {}) as Record<string, unknown>,
      ...(typeof frame['ts'] === 'number' ? { ts: frame['ts'] } : {}),
      ...(position === undefined ? {} : { position }),
    }
    if (position === undefined) return options.onEvent?.(said)
    if (cursor === null || position <= cursor.position) return
    if (prev !== cursor.position) {
      // A hole: everything from the cursor again. What comes meanwhile comes again, too.
      if (!syncing) put({ t: 'sync', d: { position: cursor.position } })
      syncing = true
      return
    }
    syncing = false
    cursor = { epoch: cursor.epoch, position }
    options.onEvent?.(said)
    unacked += 1
    if (unacked >= ACK_EVERY) ack()
  }

  function resync(d: { reason?: string; epoch?: string; position?: number } | undefined): void {
    if (d?.epoch !== undefined && d.position !== undefined) cursor = { epoch: d.epoch, position: d.position }
    options.onResync?.(d?.reason ?? 'gap')
  }

  function settle(frame: Record<string, unknown>): void {
    const re = frame['re']
    const one = typeof re === 'string' ? waiting.get(re) : undefined
    if (typeof re !== 'string') return
    pace.answered(re)
    if (one === undefined) return
    if (frame['t'] === 'result') {
      waiting.delete(re)
      return one.resolve(frame['data'])
    }
    const { code, message, retryAfterMs } = frame as { code: string; message: string; retryAfterMs?: number }
    if (typeof retryAfterMs === 'number') {
      setTimeout(() => waiting.has(re) && pace.again(re), retryAfterMs)
      return
    }
    waiting.delete(re)
    one.reject(new AgentClientError(code, message, frame))
  }

  void connect()
  return {
    send(type, data = {}, more = {}) {
      if (stopped) return Promise.reject(new AgentClientError('TL_AUTH_UNAUTHENTICATED', 'this client has stopped'))
      const id = more.id ?? globalThis.crypto.randomUUID()
      const frame = JSON.stringify({
        t: type,
        id,
        d: data,
        ...(more.ifVersion === undefined ? {} : { ifVersion: more.ifVersion }),
      })
      return new Promise((resolve, reject) => {
        waiting.set(id, { frame, resolve, reject })
        if (live) pace.add(id)
      })
    },
    tell: (type, data = {}) => live && put({ t: type, d: data }),
    cursor: () => cursor,
    resynced(at) {
      cursor = at
    },
    close(bye = false) {
      const last = socket
      if (bye) put({ t: 'bye' }, last)
      stop('the client was closed', 'TL_CLIENT_CLOSED')
      if (!bye) last?.close(1000, 'closed')
    },
  }
}

function parse(data: unknown): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(typeof data === 'string' ? data : String(data))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}
