import type { InboundEvent, ThreadMessage, Threads } from '@throughline/plugin-sdk'
import type { Body } from './body.js'
import { Problem } from './problem.js'
import type { Visitor } from './visitor.js'

const PAGE = 100
/** A client behind by more than this acknowledges the rest with its next call. */
const MAX_PAGES = 5

/**
 * What a client acknowledges, as receipt events. `after` is the cursor it had acknowledged before, `cursor` the message
 * it has now. The messages are read from the visitor's own thread: a made-up cursor acknowledges nothing, and nobody
 * acknowledges for another thread. Ids are stable, so repeating a call changes nothing.
 */
export async function receiptEvents(
  read: Threads['read'],
  visitor: Visitor,
  body: Body,
  at: number,
): Promise<readonly InboundEvent[]> {
  const status = body['status'] ?? 'read'
  if (status !== 'read' && status !== 'delivered') throw new Problem('body_invalid', 'status is read or delivered')
  const upTo = cursorOf(body, 'cursor')
  if (upTo === undefined) throw new Problem('body_invalid', 'cursor must be the cursor of a message')
  const answers = (await readUpTo(read, visitor.thread, cursorOf(body, 'after'), upTo)).flatMap((message) =>
    message.direction === 'out' && message.externalId !== null ? [message.externalId] : [],
  )
  // Read covers everything before it, so one event is enough; deliveries are told one by one.
  const targets = status === 'read' ? answers.slice(-1) : answers
  return targets.map((target) => ({
    id: `${visitor.thread}:${status}:${target}`,
    at,
    type: 'receipt',
    status,
    target,
    thread: { id: visitor.thread, kind: 'direct' },
    ...(status === 'read' ? { watermark: true } : {}),
  }))
}

/** Messages after one cursor up to another, or none when the other is not among them. */
async function readUpTo(
  read: Threads['read'],
  thread: string,
  after: string | undefined,
  upTo: string,
): Promise<readonly ThreadMessage[]> {
  const seen: ThreadMessage[] = []
  let cursor = after
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const messages = await read(thread, { limit: PAGE, ...(cursor === undefined ? {} : { after: cursor }) })
    const end = messages.findIndex((message) => message.cursor === upTo)
    if (end >= 0) return [...seen, ...messages.slice(0, end + 1)]
    seen.push(...messages)
    if (messages.length < PAGE) return []
    cursor = messages.at(-1)?.cursor
  }
  return seen
}

function cursorOf(body: Body, key: string): string | undefined {
  const value = body[key]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string' || value === '' || value.length > 200) {
    throw new Problem('body_invalid', `${key} must be a cursor`)
  }
  return value
}
