import type { InboundEvent } from '../src/index.js'

const known = [
  'message',
  'edit',
  'delete',
  'reaction',
  'receipt',
  'action',
  'typing',
  'read',
  'consent',
  'profile',
  'unknown',
]
const types = new Set<string>(known)
const withThread = new Set(['message', 'edit', 'delete', 'reaction', 'action', 'typing', 'read'])
const withSender = new Set(['message', 'reaction', 'action', 'typing', 'read', 'consent', 'profile'])
const withTarget = new Set(['edit', 'delete', 'reaction', 'receipt'])
const statuses = new Set(['sent', 'delivered', 'read', 'failed'])

const isId = (value: unknown): boolean => typeof value === 'string' && value.length > 0 && value.length <= 512

/** What the core would refuse in an event; empty for a good one. Says fields, never their content. */
export function eventIssues(event: InboundEvent): readonly string[] {
  const e = event as unknown as Record<string, unknown>
  const idOf = (key: string) => (e[key] as { id?: unknown } | undefined)?.id
  const issues: string[] = []
  const need = (condition: boolean, issue: string) => condition || issues.push(issue)
  need(types.has(String(e['type'])), 'type is not one of the contract')
  need(isId(e['id']), 'id must be 1 to 512 characters')
  const at = e['at'] instanceof Date ? e['at'].getTime() : e['at']
  need(typeof at === 'number' && Number.isFinite(at) && Math.abs(at) <= 8.64e15, 'at must be a time')
  const type = String(e['type'])
  if (withThread.has(type) || e['thread'] !== undefined)
    need(isId(idOf('thread')), 'thread.id must be 1 to 512 characters')
  if (withSender.has(type)) need(isId(idOf('sender')), 'sender.id must be 1 to 512 characters')
  if (withTarget.has(type) || e['target'] !== undefined) need(isId(e['target']), 'target must be 1 to 512 characters')
  if (type === 'receipt') {
    need(statuses.has(String(e['status'])), 'status is not one of the contract')
    if (e['watermark'] === true) need(isId(idOf('thread')), 'a watermark needs its thread')
  }
  if (type === 'action') need(typeof e['value'] === 'string', 'value must be a string')
  if (type === 'reaction') need(e['emoji'] === null || typeof e['emoji'] === 'string', 'emoji must be a string or null')
  if (type === 'unknown') need(typeof e['note'] === 'string', 'note must be a string')
  if (type === 'consent') need(typeof e['granted'] === 'boolean', 'granted must be true or false')
  if (type === 'message') {
    need(e['text'] === undefined || typeof e['text'] === 'string', 'text must be a string')
    need(e['parts'] === undefined || Array.isArray(e['parts']), 'parts must be a list')
    const empty = (e['text'] ?? '') === '' && ((e['parts'] as readonly unknown[] | undefined) ?? []).length === 0
    need(!empty, 'a message has text or parts')
  }
  for (const identifier of (e['sender'] as { identifiers?: readonly { kind: unknown; value: unknown }[] })
    ?.identifiers ?? [])
    need(isId(identifier.kind) && isId(identifier.value), 'an identifier has a kind and a value')
  return issues
}
