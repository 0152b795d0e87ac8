import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Scope } from '../bench/scope.js'

/** One message as the network took it. */
export interface Taken {
  /** Idempotency key; the same one again is a repetition, which a network with keys drops. */
  readonly key: string
  readonly thread: string
  readonly text: string
}

/** What the network does with a call: takes it, refuses it, takes it and never answers, never answers at all. */
export type Mood =
  'take' | 'take-silently' | 'hang' | 'reset' | { readonly status: number; readonly retryAfter?: number }

/** The network behind the channel `api`: its own ledger of what reached customers. */
export interface Provider {
  readonly url: string
  readonly taken: readonly Taken[]
  /** Times a key came again. */
  readonly repeats: () => number
  mood: (count: number) => Mood
}

export async function startProvider(scope: Scope): Promise<Provider> {
  const taken: Taken[] = []
  const keys = new Set<string>()
  let repeats = 0
  let count = 0
  const provider = { url: '', taken, repeats: () => repeats, mood: (): Mood => 'take' } as {
    url: string
    taken: readonly Taken[]
    repeats: () => number
    mood: (count: number) => Mood
  }
  const take = (body: string, key: string): void => {
    const { type, data } = JSON.parse(body) as { type: string; data: { text?: string; thread?: { id: string } } }
    if (type !== 'message.send') return
    if (keys.has(key)) return void repeats++
    keys.add(key)
    taken.push({ key, thread: data.thread?.id ?? '', text: data.text ?? '' })
  }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('error', () => undefined)
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const mood = provider.mood(++count)
      if (mood === 'take' || mood === 'take-silently')
        take(Buffer.concat(chunks).toString('utf8'), String(request.headers['webhook-id']))
      answer(response, mood)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  scope.teardown(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  provider.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return provider
}

function answer(response: ServerResponse, mood: Mood): void {
  if (mood === 'hang' || mood === 'take-silently') return
  if (mood === 'reset') return void response.destroy()
  const { status, retryAfter } = mood === 'take' ? { status: 200, retryAfter: undefined } : mood
  response.writeHead(status, {
    'content-type': 'application/json',
    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
  })
  response.end('{}')
}
