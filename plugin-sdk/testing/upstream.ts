import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request the plugin made to its network. */
export type UpstreamCall = {
  readonly method: string
  /** Path with query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}
export type UpstreamAnswer = {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** A string as it is, anything else as JSON. */
  readonly body?: unknown
}
/** `normal`: as the network would · an answer: always that · `reset`: connection cut · `hang`: no answer at all. */
export type Behaviour = 'normal' | 'reset' | 'hang' | UpstreamAnswer

/** The network's side in a test. */
export interface Upstream {
  readonly base: string
  readonly calls: readonly UpstreamCall[]
  behave(behaviour: Behaviour): void
  close(): Promise<void>
}

/** A real HTTP server on 127.0.0.1 that answers like the network: for plugins whose API address is a setting. */
export async function upstreamServer(answer: (call: UpstreamCall) => UpstreamAnswer): Promise<Upstream> {
  const calls: UpstreamCall[] = []
  let behaviour: Behaviour = 'normal'
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('error', () => response.destroy())
    request.on('end', () => {
      const headers = Object.fromEntries(Object.entries(request.headers).map(([k, v]) => [k, String(v)]))
      const body = Buffer.concat(chunks).toString()
      const call = { method: request.method ?? '', path: request.url ?? '', headers, body }
      calls.push(call)
      if (behaviour === 'hang') return
      if (behaviour === 'reset') return void request.socket.destroy()
      const { status, headers: extra, text } = written(behaviour === 'normal' ? answer(call) : behaviour)
      // No kept-alive sockets: what stays open after `stop` must be the plugin's own.
      response.writeHead(status, { ...extra, connection: 'close' }).end(text)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    behave: (value) => void (behaviour = value),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** The part of nock 14 that is used; pass nock itself. */
export interface NockLike {
  (origin: string): {
    intercept(
      path: RegExp,
      method: string,
    ): {
      reply(answer: (uri: string, body: unknown) => Promise<readonly [number, string, Record<string, string>]>): {
        persist(): unknown
      }
      replyWithError(error: Error): { persist(): unknown }
    }
  }
  cleanAll(): void
}

/** The same for a fixed address on the internet: requests are caught by nock and never leave the machine. */
export function nockUpstream(nock: NockLike, origin: string, answer: (call: UpstreamCall) => UpstreamAnswer): Upstream {
  const calls: UpstreamCall[] = []
  const install = (behaviour: Behaviour) => {
    nock.cleanAll()
    for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
      const caught = nock(origin).intercept(/.*/, method)
      if (behaviour === 'reset') {
        caught.replyWithError(Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })).persist()
        continue
      }
      caught
        .reply(async (uri, body) => {
          const call = { method, path: uri, headers: {}, body: typeof body === 'string' ? body : JSON.stringify(body) }
          calls.push(call)
          if (behaviour === 'hang') return new Promise(() => undefined)
          const { status, headers, text } = written(behaviour === 'normal' ? answer(call) : behaviour)
          return [status, text, headers]
        })
        .persist()
    }
  }
  install('normal')
  return { base: origin, calls, behave: install, close: async () => nock.cleanAll() }
}

function written(answer: UpstreamAnswer): { status: number; headers: Record<string, string>; text: string } {
  const text =
    answer.body === undefined ? '' : typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body)
  return { status: answer.status ?? 200, headers: { ...answer.headers }, text }
}
