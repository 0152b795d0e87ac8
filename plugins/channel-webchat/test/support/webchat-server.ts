import { createReadStream, existsSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { extname } from 'node:path'
import type { ThreadMessage } from '@throughline/plugin-sdk'
import { createTestContext, settingsOf, type TestContext } from '@throughline/plugin-sdk/testing'
import type { Config } from '../../src/config.js'
import plugin from '../../src/index.js'

const publicRoot = new URL('../../../public/', import.meta.url)
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}
/** No inline script, no inline style, nothing from elsewhere: what the engine's pages run under. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'"

export type WebChatServer = {
  readonly origin: string
  readonly host: TestContext<'channel', Config>
  /** Client ids of every POST messages that came in, refused ones included. */
  readonly posts: readonly string[]
  /** An agent answers in a thread. */
  say(thread: string, message?: Partial<ThreadMessage>): ThreadMessage
  /** Threads that have written, in order. */
  threads(): readonly string[]
  /** `cut`: streams break, calls fail with 503. `lose`: messages are stored, but the answer never arrives. */
  behave(how: 'normal' | 'cut' | 'lose'): void
  close(): Promise<void>
}

/** A small stand-in for the engine: static files, endpoints with CORS, SSE framing, and an inbox that fills threads. */
export async function webChatServer(
  written: Record<string, unknown> = {},
  pages: Readonly<Record<string, string>> = {},
): Promise<WebChatServer> {
  const host = createTestContext<'channel', Config>({
    kind: 'channel',
    id: 'webchat',
    config: settingsOf(plugin, written),
    now: Date.now(),
  })
  const writers = new Set<string>()
  const inbox: typeof host.context.inbox = {
    async accept(events) {
      const known = host.accepted.length
      const result = await host.context.inbox.accept(events)
      for (const event of host.accepted.slice(known)) {
        if (event.type !== 'message' && event.type !== 'action') continue
        const text = event.type === 'message' ? (event.text ?? '') : (event.label ?? event.value)
        writers.add(event.thread.id)
        host.threads.say(event.thread.id, {
          direction: 'in',
          at: Number(event.at),
          author: { kind: 'customer', name: null },
          parts: [{ type: 'text', text }],
          externalId: event.id,
        })
      }
      return result
    },
  }
  const channel = await plugin.setup({ ...host.context, inbox })
  const sockets = new Set<Socket>()
  const posts: string[] = []
  let mode: 'normal' | 'cut' | 'lose' = 'normal'

  const api = async (name: string, url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const endpoint = Object.hasOwn(channel.endpoints ?? {}, name) ? channel.endpoints?.[name] : undefined
    const origin = request.headers.origin
    const allowed = endpoint?.origins === '*' || (origin !== undefined && endpoint?.origins?.includes(origin) === true)
    if (allowed && origin !== undefined) {
      response.setHeader('access-control-allow-origin', origin)
      response.setHeader('access-control-allow-headers', 'authorization, content-type')
    }
    if (endpoint === undefined) return void response.writeHead(404).end()
    if (request.method === 'OPTIONS') return void response.writeHead(204).end()
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    if (name === 'messages') posts.push((JSON.parse(body.toString()) as { clientId: string }).clientId)
    if (mode === 'cut') return void response.writeHead(503).end()
    const gone = new AbortController()
    response.on('close', () => gone.abort())
    const text = (): string => new TextDecoder('utf-8', { fatal: true }).decode(body)
    const reply = await endpoint.handle(
      {
        method: request.method as 'GET' | 'POST',
        path: name,
        url: url.href,
        query: Object.fromEntries(url.searchParams),
        headers: request.headers as Record<string, string>,
        body,
        ip: '127.0.0.1',
        receivedAt: Date.now(),
        text,
        json: () => JSON.parse(text()) as never,
        form: () => new URLSearchParams(text()),
      },
      { signal: gone.signal },
    )
    if (!('stream' in reply)) {
      if (mode === 'lose' && name === 'messages') return void request.socket.destroy()
      response.writeHead(reply.status ?? 200, { 'content-type': 'application/json', ...reply.headers })
      return void response.end(JSON.stringify(reply.body))
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.flushHeaders()
    for await (const { id, event, data } of reply.stream) {
      response.write(`${id ? `id: ${id}\n` : ''}event: ${event ?? 'message'}\ndata: ${JSON.stringify(data)}\n\n`)
    }
    response.end()
  }

  const page = (path: string, response: ServerResponse): void => {
    const html = pages[path]
    if (html !== undefined) return void response.writeHead(200, { 'content-type': types['.html'] }).end(html)
    const name = path === '/chat/' ? 'index.html' : path.replace(/^\/chat\//, '')
    const file = new URL(name, publicRoot)
    if (path === '/chat/config.json') return void response.writeHead(200).end('{"channel":"webchat"}')
    if (!file.href.startsWith(publicRoot.href) || !existsSync(file)) return void response.writeHead(404).end()
    response.writeHead(200, {
      'content-type': types[extname(file.pathname)] ?? 'application/octet-stream',
      'content-security-policy': policy,
      'access-control-allow-origin': '*',
    })
    createReadStream(file).pipe(response)
  }

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1')
    const name = /^\/channels\/webchat\/([a-z]+)$/.exec(url.pathname)?.[1]
    if (name === undefined) return page(url.pathname, response)
    api(name, url, request, response).catch((error: unknown) => {
      console.error(error)
      response.destroy()
    })
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    host,
    posts,
    say: (thread, message = {}) =>
      host.threads.say(thread, { at: Date.now(), externalId: crypto.randomUUID(), ...message }),
    threads: () => [...writers],
    behave(how) {
      mode = how
      if (how === 'cut') for (const socket of sockets) socket.destroy()
    },
    async close() {
      host.abort()
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
