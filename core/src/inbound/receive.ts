import type { InboundEvent, Logger, RawRequest, Reply, Verification } from '@throughline/plugin-sdk'
import { ThroughlineError } from '../errors.js'
import type { ChannelInstance } from '../plugins/contract.js'
import type { InboundRequest, Ingress } from './contract.js'

export interface ReceiveDeps {
  readonly log: Logger
  readonly channel: (id: string) => ChannelInstance | null
  readonly ingress: Ingress
}

const VERIFY_MS = 5000

/**
 * A provider's request: verify the raw bytes, parse, store, and only then answer 2xx. Nothing unsigned enters (P10); what a
 * parser cannot read is stored and parked, never refused, because a refusal makes providers drop it or switch us off.
 */
export async function receiveWebhook(deps: ReceiveDeps, channelId: string, request: RawRequest): Promise<Reply> {
  const instance = deps.channel(channelId)
  if (instance === null) {
    throw new ThroughlineError(
      'TL_CHANNEL_UNKNOWN',
      `there is no channel ${JSON.stringify(channelId.slice(0, 60))} here`,
    )
  }
  const webhook = instance.live?.webhook
  if (instance.live === null) {
    throw new ThroughlineError('TL_CHANNEL_UNAVAILABLE', `the channel ${channelId} is not running; send it again later`)
  }
  if (webhook === undefined) {
    throw new ThroughlineError('TL_CHANNEL_UNKNOWN', `the channel ${channelId} takes no webhooks`)
  }
  if (request.method === 'GET') {
    const reply = challenge(instance, request)
    if (reply === undefined) throw new ThroughlineError('TL_REQUEST_NOT_FOUND', 'nothing answers GET here')
    return reply
  }
  const handshake = challenge(instance, request)
  if (handshake !== undefined) return handshake
  admit(channelId, await instance.call('verify', VERIFY_MS, () => webhook.verify.verify(request)))

  const inbound: InboundRequest = {
    channel: channelId,
    raw: { body: request.body, headers: storable(request.headers) },
    ...parse(deps, instance, request),
  }
  await deps.ingress.accept(inbound)
  const { reply } = webhook
  return (
    (typeof reply === 'function' ? safely(() => inside(instance, 'reply', () => reply(inbound.events))) : reply) ?? {
      status: 200,
    }
  )
}

function challenge(instance: ChannelInstance, request: RawRequest): Reply | undefined {
  if (instance.live?.webhook?.challenge === undefined) return undefined
  return safely(() => inside(instance, 'challenge', () => instance.live?.webhook?.challenge?.(request)))
}

function admit(channelId: string, verification: Verification): void {
  if (verification === 'ok') return
  throw verification === 'missing'
    ? new ThroughlineError(
        'TL_CHANNEL_SIGNATURE_MISSING',
        `requests to the channel ${channelId} must be signed, this one is not`,
      )
    : new ThroughlineError(
        'TL_CHANNEL_SIGNATURE_INVALID',
        `the signature does not fit the body and the secret of the channel ${channelId}`,
      )
}

/** Parsing is pure and synchronous. A throw parks the body; what is not a list of events counts as a throw. */
export function parse(
  deps: { readonly log: Logger },
  instance: ChannelInstance,
  request: RawRequest,
): Pick<InboundRequest, 'events' | 'unreadable'> {
  try {
    const events = inside(instance, 'parse', () => instance.live?.webhook?.parse(request))
    if (!Array.isArray(events)) throw new TypeError('parse did not return a list of events')
    return { events: events.map((event: InboundEvent, i) => (isEvent(event) ? event : odd(request, i))) }
  } catch (error) {
    const name = error instanceof Error ? error.name : 'error'
    deps.log.warn({ channel: instance.id, error: name }, 'a webhook body could not be parsed; it is parked')
    return { events: [], unreadable: { code: 'unreadable', reason: `${name} while parsing the body` } }
  }
}

const typesWithThread = new Set(['message', 'edit', 'delete', 'reaction', 'action', 'typing', 'read'])
const typesWithSender = new Set(['message', 'reaction', 'action', 'typing', 'read', 'consent', 'profile'])
const typesWithTarget = new Set(['edit', 'delete', 'reaction', 'receipt'])

function isEvent(event: InboundEvent): boolean {
  if (typeof event !== 'object' || event === null || typeof event.type !== 'string') return false
  const one = event as unknown as {
    id: unknown
    thread?: { id?: unknown }
    sender?: { id?: unknown }
    target?: unknown
  }
  if (typeof one.id !== 'string' || one.id === '') return false
  if (typesWithThread.has(event.type) && (typeof one.thread?.id !== 'string' || one.thread.id === '')) return false
  if (typesWithSender.has(event.type) && (typeof one.sender?.id !== 'string' || one.sender.id === '')) return false
  if (typesWithTarget.has(event.type) && (typeof one.target !== 'string' || one.target === '')) return false
  return true
}

/** An item that is no event takes none of its siblings with it: it alone is parked, under an id of its place. */
function odd(request: RawRequest, index: number): InboundEvent {
  return {
    type: 'unknown',
    id: `odd:${Buffer.from(request.body.subarray(0, 64)).toString('base64url')}:${request.body.length}:${index}`,
    at: request.receivedAt,
    note: 'the plugin returned something that is no event',
  }
}

function inside<T>(instance: ChannelInstance, operation: string, run: () => T): T {
  return instance.inside === undefined ? run() : instance.inside(operation, run)
}

function safely<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}

const judged = new Map<string, boolean>()

/** Names repeat; strangers' inventions must not fill the memory. */
function isStorable(name: string): boolean {
  let verdict = judged.get(name)
  if (verdict === undefined) {
    verdict = !secretHeaders.test(name)
    if (judged.size < 500) judged.set(name, verdict)
  }
  return verdict
}

const secretHeaders = /authorization|cookie|secret|token|api-key/

/** Headers as the inbox keeps them for a replay: without credentials. */
function storable(headers: RawRequest['headers']): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const name in headers) if (isStorable(name)) kept[name] = headers[name]!
  return kept
}
