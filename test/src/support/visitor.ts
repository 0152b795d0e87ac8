import { randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import { eventually } from './eventually.js'
import type { TestWithTeardown } from './engine.js'

/** A message as the web chat shows it to its visitor. */
export interface VisibleMessage {
  readonly id: string
  readonly direction: 'in' | 'out'
  readonly author: { readonly kind: string; readonly name: string | null }
  readonly parts: readonly { readonly type: string; readonly text?: string }[]
}

/** Somebody in front of the web chat, over the same HTTP calls that the widget makes. */
export interface Visitor {
  readonly thread: string
  readonly signed: boolean
  say(text: string, more?: Readonly<Record<string, unknown>>): Promise<void>
  /** What the page would show after a reload. */
  messages(): Promise<readonly VisibleMessage[]>
  /** Listens to the stream; answers what has come so far. */
  listen(t: TestWithTeardown): Promise<{
    readonly got: readonly VisibleMessage[]
    /** Places in the queue that were told; null: the wait is over. */
    readonly places: readonly ({ readonly position: number } | null)[]
  }>
}

/** A token of the operator's site about somebody who is signed in there. */
export async function siteToken(secret: string, claims: Readonly<Record<string, unknown>>): Promise<string> {
  return new SignJWT({ aud: 'webchat', ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('5m')
    .sign(new TextEncoder().encode(secret))
}

export async function openChat(
  engineUrl: string,
  options: { readonly site?: string; readonly channel?: string } = {},
): Promise<Visitor> {
  const base = `${engineUrl}/channels/${options.channel ?? 'webchat'}`
  const post = async (name: string, body: unknown, token?: string): Promise<any> => {
    const response = await fetch(`${base}/${name}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(15_000),
    })
    if (!response.ok) throw new Error(`POST ${name}: ${response.status} ${await response.text()}`)
    return response.json()
  }
  const session = await post('session', options.site === undefined ? {} : { site: options.site })
  const token: string = session.token
  return {
    thread: session.thread,
    signed: session.signed,
    async say(text, more = {}) {
      await post('messages', { clientId: randomUUID(), text, ...more }, token)
    },
    async messages() {
      const response = await fetch(`${base}/thread`, {
        headers: { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(15_000),
      })
      if (!response.ok) throw new Error(`GET thread: ${response.status} ${await response.text()}`)
      return ((await response.json()) as { messages: VisibleMessage[] }).messages
    },
    async listen(t) {
      const leave = new AbortController()
      t.teardown(() => leave.abort())
      const got: VisibleMessage[] = []
      const places: ({ readonly position: number } | null)[] = []
      const response = await fetch(`${base}/stream`, {
        headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
        signal: leave.signal,
      })
      if (!response.ok || response.body === null) throw new Error(`GET stream: ${response.status}`)
      let open = false
      void readEvents(response.body, (event, data) => {
        if (event === 'open') open = true
        if (event === 'message') got.push(data as VisibleMessage)
        if (event === 'queue') places.push(data as { readonly position: number } | null)
      }).catch((error: unknown) => {
        if (!leave.signal.aborted)
          got.push({ id: 'broken', direction: 'out', author: { kind: 'system', name: String(error) }, parts: [] })
      })
      await eventually('the stream of the web chat to open', () => open)
      return { got, places }
    },
  }
}

/** Server-sent events of a body, one call each. */
async function readEvents(
  body: ReadableStream<Uint8Array>,
  receive: (event: string, data: unknown) => void,
): Promise<void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true })
    const blocks = rest.split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const lines = block.split('\n')
      const valueOf = (name: string) =>
        lines
          .filter((line) => line.startsWith(`${name}:`))
          .map((line) => line.slice(name.length + 1).trimStart())
          .join('\n')
      const data = valueOf('data')
      if (data !== '') receive(valueOf('event') || 'message', JSON.parse(data))
    }
  }
}

export function textOf(message: VisibleMessage): string {
  return message.parts.map((part) => part.text ?? '').join('\n')
}
