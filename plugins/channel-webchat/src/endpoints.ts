import type { Context, Endpoint, EventStream, RawRequest, Reply } from '@throughline/plugin-sdk'
import { readBody } from './body.js'
import type { Config } from './config.js'
import { incomingEvent } from './incoming.js'
import type { OpenStreams } from './open-streams.js'
import { Problem, problemReply } from './problem.js'
import { receiptEvents } from './receipts.js'
import { openSession } from './session.js'
import { threadPage, threadStream } from './thread-stream.js'
import { senderOf, type Visitor } from './visitor.js'
import { requireVisitor } from './visitor-token.js'

export type EndpointDeps = {
  readonly context: Context<'channel', Config>
  readonly streams: OpenStreams
}
type Answer = (request: RawRequest, signal: AbortSignal) => Promise<Reply | EventStream>

/** Typing is worth one event per thread and this many milliseconds; more of them share an id and are dropped. */
const TYPING_MS = 3000

/** The calls of the widget. Everything but `session` needs a visitor token and sees the thread of that token only. */
export function endpoints({ context, streams }: EndpointDeps): Readonly<Record<string, Endpoint>> {
  const { config, signer, clock, inbox, threads, files } = context
  const visitorOf = (request: RawRequest): Visitor => requireVisitor(signer, request.headers, clock.now())
  const read: typeof threads.read = (thread, options) => threads.read(thread, options)
  const watch = streams.watch((thread, changed) => threads.watch(thread, changed))
  const endpoint = (method: 'GET' | 'POST', answer: Answer): Endpoint => ({
    method,
    ...originsOf(config),
    handle: (request, control) => guarded(answer, request, control.signal),
  })

  return {
    session: endpoint('POST', async (request) =>
      json(200, await openSession({ config, instance: context.id, signer, clock }, readBody(request))),
    ),
    messages: endpoint('POST', async (request) => {
      // Idempotent: key (instance, thread:clientId), held by the inbox.
      const event = incomingEvent(visitorOf(request), readBody(request), request.receivedAt)
      const { stored } = await inbox.accept([event])
      return json(202, { status: stored > 0 ? 'stored' : 'duplicate' })
    }),
    thread: endpoint('GET', async (request) =>
      json(200, await threadPage({ read, files }, visitorOf(request).thread, request.query['after'] || undefined)),
    ),
    stream: endpoint('GET', async (request, caller) => {
      const visitor = visitorOf(request)
      streams.admit(visitor.thread)
      // The stream outlives neither the caller, the instance, nor the token: after that the client has to prove itself.
      const allowed = (): boolean => clock.now() < visitor.expiresAt && !context.signal.aborted
      const after = request.headers['last-event-id'] || request.query['after'] || undefined
      return { stream: threadStream({ read, watch, files }, visitor.thread, { after, signal: caller, allowed }) }
    }),
    typing: endpoint('POST', async (request) => {
      const visitor = visitorOf(request)
      const on = readBody(request)['on'] !== false
      const at = request.receivedAt
      const id = `${visitor.thread}:typing:${on ? 1 : 0}:${Math.floor(at / TYPING_MS)}`
      await inbox.accept([
        { id, at, type: 'typing', thread: { id: visitor.thread, kind: 'direct' }, sender: senderOf(visitor), on },
      ])
      return json(202, {})
    }),
    read: endpoint('POST', async (request) => {
      const visitor = visitorOf(request)
      const events = await receiptEvents(read, visitor, readBody(request), request.receivedAt)
      if (events.length > 0) await inbox.accept(events)
      return json(202, { acknowledged: events.length })
    }),
  }
}

function originsOf(config: Config): Pick<Endpoint, 'origins'> {
  if (config.allowedOrigins.includes('*')) return { origins: '*' }
  return config.allowedOrigins.length === 0 ? {} : { origins: config.allowedOrigins }
}

async function guarded(answer: Answer, request: RawRequest, signal: AbortSignal): Promise<Reply | EventStream> {
  try {
    return await answer(request, signal)
  } catch (error) {
    if (error instanceof Problem) return problemReply(error)
    throw error
  }
}

function json(status: number, body: unknown): Reply {
  return { status, headers: { 'cache-control': 'no-store' }, body }
}
