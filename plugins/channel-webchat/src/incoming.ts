import type { InboundEvent, Part } from '@throughline/plugin-sdk'
import { asObject, type Body } from './body.js'
import { Problem } from './problem.js'
import { cleanLine, cleanText } from './text.js'
import { senderOf, type Claimed, type Visitor } from './visitor.js'

export const MAX_TEXT = 10_000
const MAX_PARTS = 4
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/**
 * What a visitor sends, as an event. The id is made of the thread and the client's own id of the message: a repeated
 * POST is dropped by the inbox, and nobody can occupy the ids of another thread.
 */
export function incomingEvent(visitor: Visitor, body: Body, at: number): InboundEvent {
  const id = `${visitor.thread}:${clientId(body)}`
  const timeZone = zoneOf(body['timeZone'])
  const sender = {
    ...senderOf(visitor, claimedOf(body['claimed'])),
    ...(timeZone === undefined ? {} : { profile: { timeZone } }),
  }
  const thread = { id: visitor.thread, kind: 'direct' as const }
  const text = textOf(body['text'])
  const parts = partsOf(body['parts'])
  if (body['action'] !== undefined) {
    if (text !== undefined || parts.length > 0) {
      throw new Problem('body_invalid', 'An action stands alone, without text and parts')
    }
    return { id, at, type: 'action', thread, sender, ...actionOf(body['action']) }
  }
  if (text === undefined && parts.length === 0) throw new Problem('text_empty')
  return {
    id,
    at,
    type: 'message',
    thread,
    sender,
    ...(text === undefined ? {} : { text }),
    ...(parts.length === 0 ? {} : { parts }),
  }
}

/** The client's id out of the id of an event of this thread; the client finds its own bubble by it. */
export function clientIdOf(thread: string, eventId: string): string | null {
  return eventId.startsWith(`${thread}:`) ? eventId.slice(thread.length + 1) : null
}

function clientId(body: Body): string {
  const value = body['clientId']
  if (typeof value !== 'string' || !UUID.test(value)) throw new Problem('body_invalid', 'clientId must be a UUID')
  return value.toLowerCase()
}

function textOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw new Problem('body_invalid', 'text must be a string')
  if (value.length > MAX_TEXT) throw new Problem('text_too_long', `A message may be ${MAX_TEXT} characters long`)
  const text = cleanText(value).trim()
  return text === '' ? undefined : text
}

/** Visitors may add a location. No media: an address typed by a stranger is nothing this engine should fetch. */
function partsOf(value: unknown): readonly Part[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value) || value.length > MAX_PARTS) {
    throw new Problem('body_invalid', `parts must be a list of at most ${MAX_PARTS}`)
  }
  return value.map((item: unknown): Part => {
    const part = asObject(item, 'A part')
    const { type, lat, lon } = part
    if (type !== 'location') throw new Problem('body_invalid', 'A visitor may only send parts of type location')
    if (!isWithin(lat, 90) || !isWithin(lon, 180)) throw new Problem('body_invalid', 'lat or lon is out of range')
    const name = lineOf(part['name'], 200)
    const address = lineOf(part['address'], 300)
    return { type, lat, lon, ...(name === undefined ? {} : { name }), ...(address === undefined ? {} : { address }) }
  })
}

function isWithin(value: unknown, limit: number): value is number {
  return typeof value === 'number' && Math.abs(value) <= limit
}

function actionOf(value: unknown): { value: string; label?: string; target?: string } {
  const action = asObject(value, 'action')
  const chosen = lineOf(action['value'], 512)
  if (chosen === undefined) throw new Problem('body_invalid', 'action.value must be 1 to 512 characters')
  const label = lineOf(action['label'], 200)
  const target = lineOf(action['target'], 512)
  return { value: chosen, ...(label === undefined ? {} : { label }), ...(target === undefined ? {} : { target }) }
}

function claimedOf(value: unknown): Claimed {
  if (value === undefined || value === null) return {}
  const claimed = asObject(value, 'claimed')
  const name = lineOf(claimed['name'], 120)
  const email = lineOf(claimed['email'], 254)
  const phone = lineOf(claimed['phone'], 32)
  return {
    ...(name === undefined ? {} : { name }),
    ...(email === undefined || !email.includes('@') ? {} : { email }),
    ...(phone === undefined ? {} : { phone }),
  }
}

function lineOf(value: unknown, max: number): string | undefined {
  if (typeof value !== 'string' || value.length > max) return undefined
  return cleanLine(value, max) || undefined
}

/** Where the visitor's clock stands, as the browser tells; for answers that name a time. */
function zoneOf(value: unknown): string | undefined {
  const zone = lineOf(value, 60)
  if (zone === undefined) return undefined
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone
  } catch {
    return undefined
  }
}
