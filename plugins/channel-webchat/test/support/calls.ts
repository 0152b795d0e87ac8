import type { Channel, EventStream, InboundEvent, Reply } from '@throughline/plugin-sdk'
import { createTestContext, rawRequest, settingsOf, testEpoch, type TestContext } from '@throughline/plugin-sdk/testing'
import { SignJWT, UnsecuredJWT } from 'jose'
import type { Config } from '../../src/config.js'
import plugin from '../../src/index.js'

export const siteSecret = 'a-secret-of-the-shop-with-32-characters-or-more'
export type Answer = { readonly status: number; readonly body: Record<string, any> }
export type StreamEvent = { readonly id?: string; readonly event?: string; readonly data: any }

/** An instance of the channel over memory, and its endpoints as a client would call them. */
export type WebChat = {
  readonly host: TestContext<'channel', Config>
  readonly channel: Channel
  readonly accepted: readonly InboundEvent[]
  post(name: string, body: unknown, token?: string): Promise<Answer>
  get(name: string, query: Record<string, string>, token?: string): Promise<Answer>
  stream(token: string, after?: string): Promise<{ next(): Promise<StreamEvent | undefined>; close(): void }>
  /** Token of a new session. */
  session(body?: unknown): Promise<Record<string, any>>
}

export async function webChat(written: Record<string, unknown> = {}, id = 'shop'): Promise<WebChat> {
  const host = createTestContext<'channel', Config>({ kind: 'channel', id, config: settingsOf(plugin, written) })
  const channel = await plugin.setup(host.context)
  const call = async (
    method: 'GET' | 'POST',
    name: string,
    given: { body?: unknown; query?: Record<string, string>; token?: string | undefined; signal?: AbortSignal },
  ): Promise<Reply | EventStream> => {
    const endpoint = Object.hasOwn(channel.endpoints ?? {}, name) ? channel.endpoints?.[name] : undefined
    if (endpoint === undefined || endpoint.method !== method) throw new Error(`no endpoint ${method} ${name}`)
    const request = rawRequest({
      method,
      path: name,
      url: `${host.context.publicUrl}/${name}`,
      query: given.query ?? {},
      body: given.body,
      headers: given.token === undefined ? {} : { authorization: `Bearer ${given.token}` },
      receivedAt: host.context.clock.now(),
    })
    return endpoint.handle(request, { signal: given.signal ?? new AbortController().signal })
  }
  const reply = async (answer: Promise<Reply | EventStream>): Promise<Answer> => {
    const got = await answer
    if ('stream' in got) throw new Error('a stream, not a reply')
    return { status: got.status ?? 200, body: got.body as Record<string, any> }
  }
  const chat: WebChat = {
    host,
    channel,
    accepted: host.accepted,
    post: (name, body, token) => reply(call('POST', name, { body, token })),
    get: (name, query, token) => reply(call('GET', name, { query, token })),
    async stream(token, after) {
      const controller = new AbortController()
      const query = after === undefined ? {} : { after }
      const got = await call('GET', 'stream', { query, token, signal: controller.signal })
      if (!('stream' in got)) throw new Error(`no stream but ${got.status}`)
      const items = got.stream[Symbol.asyncIterator]()
      return {
        next: async () => {
          const { done, value } = await items.next()
          return done === true ? undefined : value
        },
        close: () => controller.abort(),
      }
    },
    async session(body = {}) {
      const answer = await chat.post('session', body)
      if (answer.status !== 200) throw new Error(`no session: ${answer.status} ${answer.body['code']}`)
      return answer.body
    },
  }
  return chat
}

/** A token as the operator's site would sign it; `null` leaves a claim out. */
export async function siteToken(claims: Record<string, unknown> = {}, secret = siteSecret): Promise<string> {
  const all = Object.entries({ sub: 'customer-7', aud: 'shop', exp: testEpoch / 1000 + 300, ...claims })
  return new SignJWT(Object.fromEntries(all.filter(([, value]) => value !== null)))
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(secret))
}

/** The same without any signature (`alg: none`). */
export function unsignedToken(): string {
  return new UnsecuredJWT({ sub: 'customer-7', aud: 'shop', exp: testEpoch / 1000 + 300 }).encode()
}
