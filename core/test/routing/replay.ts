import type { Store } from '../../src/store/store.js'

interface Event {
  readonly type: string
  readonly conversation_id: string
  readonly data: Readonly<Record<string, unknown>>
}
interface ItemState {
  conversation: string
  queue: string
  state: string
  assignee: string | null
}
interface OfferState {
  item: string
  agent: string
  state: string
  units: number
  channelKind: string
}

/** Items, offers and loads as the events of the log tell them, and nothing else. */
export async function replayed(store: Store) {
  const { rows } = await store.pool.query<Event>(
    `select type, conversation_id, data from event_log where type like 'work.%' or type like 'offer.%' order by position`,
  )
  const items = new Map<string, ItemState>()
  const offers = new Map<string, OfferState>()
  for (const event of rows) apply(items, offers, event)
  return { items, offers, loads: loadsOf(offers), events: rows.length }
}

function apply(items: Map<string, ItemState>, offers: Map<string, OfferState>, event: Event): void {
  const { type, data } = event
  const text = (key: string): string => data[key] as string
  const id = text('item')
  const known = items.get(id)
  const end = (state: string, but?: string): void => {
    for (const [key, offer] of offers)
      if (offer.item === id && (offer.state === 'accepted' || offer.state === 'wrapping') && key !== but)
        offer.state = state
  }
  const set = (state: string, assignee: string | null = null): void =>
    void items.set(id, { conversation: event.conversation_id, queue: text('queue') ?? known?.queue, state, assignee })
  switch (type) {
    case 'work.queued':
      return set('queued')
    case 'work.held':
      return set('held')
    case 'work.moved':
      return void items.set(id, { ...known!, conversation: event.conversation_id })
    case 'work.assigned': {
      const agent = text('agent')
      end('transferred', text('offerId'))
      // Claimed: nobody was asked.
      if (!offers.has(text('offerId')))
        offers.set(text('offerId'), { item: id, agent, state: 'accepted', ...sizeOf(data) })
      return set('assigned', agent)
    }
    case 'work.wrapping':
      end('wrapping')
      return set('wrapping', known?.assignee ?? null)
    case 'work.reweighed':
      offers.get(text('offerId'))!.units = data['units'] as number
      return
    case 'work.required':
      return
    case 'work.unassigned':
      return end('released')
    case 'work.transferred':
      end('transferred')
      return set('queued')
    case 'work.completed':
    case 'work.abandoned':
      end(data['outcome'] === 'joined' ? 'released' : 'completed')
      return set(text('outcome'), known?.assignee ?? null)
    case 'offer.created':
      offers.set(text('offerId'), { item: id, agent: text('agent'), state: 'pending', ...sizeOf(data) })
      return void items.set(id, { ...known!, state: 'offered', assignee: null })
    case 'offer.presented':
      return
    default:
      offers.get(text('offerId'))!.state = type.slice('offer.'.length)
  }
}

const sizeOf = (data: Event['data']) => ({
  units: data['units'] as number,
  channelKind: data['channelKind'] as string,
})

function loadsOf(offers: ReadonlyMap<string, OfferState>) {
  const loads = new Map<string, { reserved: number; active: number; byChannel: Record<string, number> }>()
  for (const { agent, state, units, channelKind } of offers.values()) {
    if (state !== 'pending' && state !== 'accepted' && state !== 'wrapping') continue
    const load = loads.get(agent) ?? { reserved: 0, active: 0, byChannel: {} }
    load[state === 'pending' ? 'reserved' : 'active'] += units
    load.byChannel[channelKind] = (load.byChannel[channelKind] ?? 0) + 1
    loads.set(agent, load)
  }
  return loads
}

/** The same from the tables. */
export async function stored(store: Store) {
  const all = async <T extends { id: string }>(sql: string) => {
    const { rows } = await store.pool.query<T>(sql)
    return new Map(rows.map(({ id, ...row }) => [id, row]))
  }
  return {
    items: await all(`select id, conversation_id as conversation, queue, state, assignee from work_item order by id`),
    offers: await all(
      `select id, item_id as item, agent_id as agent, state, units, channel_kind as "channelKind" from offer order by id`,
    ),
    loads: await all(
      `select agent_id as id, reserved, active, by_channel as "byChannel" from agent_load where reserved + active > 0`,
    ),
  }
}

/** Keys whose values differ, with both. */
export function differences(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): readonly unknown[] {
  const plain = (value: unknown) =>
    JSON.stringify(value, (_key, item: unknown) =>
      item !== null && typeof item === 'object' && !Array.isArray(item)
        ? Object.fromEntries(Object.entries(item).sort(([x], [y]) => (x < y ? -1 : 1)))
        : item,
    )
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((key) =>
    plain(a.get(key)) === plain(b.get(key)) ? [] : [{ key, events: a.get(key), tables: b.get(key) }],
  )
}
