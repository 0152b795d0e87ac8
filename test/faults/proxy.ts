import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Scope } from '../bench/scope.js'

/** A TCP proxy that can misbehave: in front of PostgreSQL, and in front of the nodes as a small load balancer. */
export interface Proxy {
  readonly port: number
  /** Resets every connection. New ones are taken as before. */
  cut(): void
  /** Bytes stop in both directions, connections stay; what was held back follows on `false`. */
  stall(on: boolean): void
  /** New connections are refused, and the present ones are reset. */
  refuse(on: boolean): void
  /** New connections are taken and never answered; bytes of the present ones are swallowed. On `false` those are reset. */
  blackhole(on: boolean): void
  /** Every chunk comes so much later. */
  delay(ms: number): void
  /** Cuts one connection after so many further bytes towards the client; the next one gets the next number. */
  cutAfter(bytes: (() => number) | null): void
  /** Connections that are open now. */
  open(): number
}

interface Pair {
  readonly client: Socket
  server: Socket | null
}

/** @param targets ports of this host; the first that takes the connection gets it, beginning with the next each time. */
export async function startProxy(scope: Scope, targets: () => readonly number[]): Promise<Proxy> {
  const pairs = new Set<Pair>()
  let turn = 0
  let stalled = false
  let refusing = false
  let dark = false
  let lateMs = 0
  let limit: (() => number) | null = null

  const end = (pair: Pair): void => {
    pairs.delete(pair)
    pair.client.destroy()
    pair.server?.destroy()
  }
  const forward = (from: Socket, to: Socket, pair: Pair, left: { bytes: number } | null): void => {
    from.on('data', (chunk: Buffer) => {
      if (dark) return
      const cut = left !== null && (left.bytes -= chunk.length) <= 0
      const part = cut ? chunk.subarray(0, Math.max(0, chunk.length + left.bytes)) : chunk
      const write = (): void => {
        if (to.destroyed) return
        if (!to.write(part)) from.pause()
        if (cut) setImmediate(() => end(pair))
      }
      if (lateMs > 0) setTimeout(write, lateMs)
      else write()
    })
    to.on('drain', () => stalled || from.resume())
  }
  const server: Server = createServer((client) => {
    client.on('error', () => undefined)
    if (refusing) return void client.resetAndDestroy()
    const pair: Pair = { client, server: null }
    pairs.add(pair)
    client.on('close', () => end(pair))
    client.pause()
    if (dark) return
    void connectAny(targets(), turn++).then((upstream) => {
      if (upstream === null || client.destroyed) return end(pair)
      pair.server = upstream
      upstream.on('error', () => undefined)
      // Held back until the last piece is acknowledged, pieces of one statement would wait 40 ms for each other.
      for (const socket of [client, upstream]) socket.setNoDelay(true)
      upstream.on('close', () => end(pair))
      const left = limit === null ? null : { bytes: limit() }
      forward(client, upstream, pair, null)
      forward(upstream, client, pair, left)
      if (!stalled) client.resume()
      else upstream.pause()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = (): void => {
    for (const pair of [...pairs]) {
      pair.client.resetAndDestroy()
      end(pair)
    }
  }
  scope.teardown(() => {
    cut()
    return new Promise((resolve) => server.close(resolve))
  })
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    stall(on) {
      stalled = on
      for (const { client, server: upstream } of pairs) {
        for (const socket of [client, upstream])
          if (on) socket?.pause()
          else socket?.resume()
      }
    },
    refuse(on) {
      refusing = on
      if (on) cut()
    },
    blackhole(on) {
      dark = on
      if (!on) cut()
    },
    delay: (ms) => void (lateMs = ms),
    cutAfter: (bytes) => void (limit = bytes),
    open: () => pairs.size,
  }
}

async function connectAny(ports: readonly number[], turn: number): Promise<Socket | null> {
  for (let i = 0; i < ports.length; i++) {
    const port = ports[(turn + i) % ports.length] as number
    const socket = await new Promise<Socket | null>((resolve) => {
      const one = connect({ host: '127.0.0.1', port })
      one.once('connect', () => resolve(one))
      one.once('error', () => resolve(null))
    })
    if (socket !== null) return socket
  }
  return null
}
