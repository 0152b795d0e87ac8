import type { EventReader, StoredEvent } from '../events/contract.js'

const REPLAY_PAGE = 500
const REPLAY_MAX = 20_000

/** Where a client says that it stands; null: it says nothing, or nonsense. */
export function cursorIn(resume: unknown): { readonly epoch: string; readonly position: number } | null {
  if (typeof resume !== 'object' || resume === null) return null
  const { epoch, position } = resume as { epoch?: unknown; position?: unknown }
  if (typeof epoch !== 'string' || typeof position !== 'number' || !Number.isSafeInteger(position) || position < 0)
    return null
  return { epoch, position }
}

/**
 * Everything after a position up to the head as it is when the last page was read; null: no longer kept, too much, or a
 * position that nobody has given.
 */
export async function collect(reader: EventReader, after: number): Promise<StoredEvent[] | null> {
  await reader.reach(after)
  if (after > reader.head()) return null
  const events: StoredEvent[] = []
  let position = after
  while (position < reader.head()) {
    const pageOf = await reader.read(position, REPLAY_PAGE)
    if (pageOf === null || events.length + pageOf.length > REPLAY_MAX) return null
    if (pageOf.length === 0) break
    events.push(...pageOf)
    position = pageOf.at(-1)!.position
  }
  return events
}
