/** The part of the log that an event belongs to for a client that asked for parts only. */
export function intentOf(type: string): string {
  const area = type.slice(0, type.indexOf('.'))
  if (area === 'offer') return 'offers'
  return area === 'note' || area === 'attachment' || area === 'message' ? 'messages' : area
}

/** What a client asked for; null: everything it may see. */
export function intentsIn(subs: unknown): ReadonlySet<string> | null {
  if (typeof subs !== 'object' || subs === null) return null
  const { intents } = subs as { intents?: unknown }
  if (!Array.isArray(intents)) return null
  return new Set(intents.filter((one): one is string => typeof one === 'string').slice(0, 50))
}
