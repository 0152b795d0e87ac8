import type { Kysely, Transaction } from 'kysely'
import type { InboundEvent, Logger } from '@throughline/plugin-sdk'
import type { Clock } from '../clock.js'
import type { EventWriter } from '../events/contract.js'
import type { NewJob } from '../jobs/contract.js'
import type { ChannelInstance } from '../plugins/contract.js'
import type { Tables } from '../store/tables.js'
import { cleanEvent } from './clean-event.js'
import type { InboxService } from './contract.js'
import {
  countInbox,
  findParked,
  insertInbox,
  listParked,
  parkedIds,
  requeueParked,
  settleParked,
  type ParkedRow,
} from './inbox-store.js'
import { laneOf, shardOf } from './lane.js'
import { rawRequest } from './raw-request.js'
import { parse } from './receive.js'

export interface InboxServiceDeps {
  readonly db: Kysely<Tables>
  readonly log: Logger
  readonly clock: Clock
  readonly shards: number
  readonly events: EventWriter
  readonly addJobs: (trx: Transaction<Tables>, jobs: readonly NewJob[]) => Promise<void>
  /** null where no plugins run (the command line): then a stored event is queued again as it is. */
  readonly channel: ((id: string) => ChannelInstance | null) | null
  readonly stored: (shards: ReadonlySet<number>) => void
}

const ALL = 1000

type Attempt = { readonly ok: true } | { readonly ok: false; readonly reason: string }

/** Parked events: visible, and replayed once the plugin or the rule is mended. */
export function createInboxService(deps: InboxServiceDeps): InboxService {
  return {
    list: (filter) => listParked(deps.db, filter),
    async show(id) {
      const row = await findParked(deps.db, id)
      if (row === null) return null
      const { request: _request, ...shown } = row
      return shown
    },
    async replay(which) {
      const ids = which === 'all' ? await parkedIds(deps.db, ALL) : which
      let replayed = 0
      const stillParked: { id: number; reason: string }[] = []
      for (const id of ids) {
        const row = await findParked(deps.db, id)
        const attempt: Attempt =
          row === null ? { ok: false, reason: 'there is no parked event of this number' } : await replayOne(deps, row)
        if (attempt.ok) replayed += 1
        else stillParked.push({ id, reason: attempt.reason })
      }
      return { replayed, stillParked }
    },
    counts: () => countInbox(deps.db),
  }
}

async function replayOne(deps: InboxServiceDeps, row: ParkedRow): Promise<Attempt> {
  const events = reread(deps, row)
  if ('reason' in events) return { ok: false, reason: events.reason }
  const touched = new Set<number>()
  await deps.db.transaction().execute(async (trx) => {
    // The first event takes the row's place; the others of a body that was parked whole enter behind it.
    const [first, ...others] = events.events
    if (first === undefined) return settleParked(trx, row.id, 'nothing_in_it')
    for (const [i, event] of [first, ...others].entries()) {
      const { externalId, json } = cleanEvent(event, row.receivedAt.getTime())
      const lane = laneOf(row.channel, event, externalId)
      const shard = shardOf(lane, deps.shards)
      if (i === 0) {
        const queued = await requeueParked(trx, { id: row.id, event: json, lane, shard, externalId })
        if (!queued) await settleParked(trx, row.id, 'duplicate')
      } else {
        await insertBehind(trx, row, { externalId, json, lane, shard })
      }
      touched.add(shard)
    }
    await deps.addJobs(
      trx,
      [...touched].map((shard) => ({ task: 'drain', payload: shard, key: `drain:${shard}` })),
    )
    await deps.events.append(trx, [
      { type: 'inbox.replayed', actor: { kind: 'system', id: null }, data: { inboxId: row.id, channel: row.channel } },
    ])
  })
  deps.events.poke()
  deps.stored(touched)
  return { ok: true }
}

async function insertBehind(
  trx: Transaction<Tables>,
  row: ParkedRow,
  one: { externalId: string; json: string; lane: string; shard: number },
): Promise<void> {
  await insertInbox(trx, [
    {
      channel: row.channel,
      externalId: one.externalId,
      lane: one.lane,
      shard: one.shard,
      event: one.json,
      request: row.request,
      raw: null,
      headers: null,
      parked: null,
    },
  ])
}

/** The raw body through today's parser; without one, the event as it was stored. */
function reread(deps: InboxServiceDeps, row: ParkedRow): { events: InboundEvent[] } | { reason: string } {
  const instance = deps.channel?.(row.channel) ?? null
  const stored = row.event as InboundEvent | null
  if (row.raw !== null && instance?.live?.webhook !== undefined) {
    const request = rawRequest({
      method: 'POST',
      path: '',
      url: '',
      query: {},
      headers: row.headers ?? {},
      body: row.raw,
      ip: '127.0.0.1',
      receivedAt: row.receivedAt.getTime(),
    })
    const parsed = parse(deps, instance, request)
    if (parsed.unreadable) return { reason: 'the plugin still cannot read the body' }
    // A parked sibling of a request: only its own event, not the whole body again.
    const own = stored === null ? parsed.events : parsed.events.filter((event) => event.id === stored.id)
    const readable = own.filter((event) => event.type !== 'unknown')
    if (readable.length > 0) return { events: readable }
    if (stored === null)
      return own.length === 0 ? { events: [] } : { reason: 'the plugin still does not know this event' }
  }
  if (stored !== null && stored.type !== 'unknown') return { events: [stored] }
  return {
    reason:
      instance === null
        ? 'the channel is not running here; replay it through the running engine'
        : 'the plugin still does not know this event',
  }
}
