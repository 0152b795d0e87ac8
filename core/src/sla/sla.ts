import type { Logger } from '@throughline/plugin-sdk'
import type { Kysely } from 'kysely'
import type { Calendars } from '../calendars/contract.js'
import type { Config } from '../config/contract.js'
import type { EventReader, EventWriter, NewEvent, StoredEvent } from '../events/contract.js'
import { pauseUntil } from '../clock.js'
import type { Rules, WorkRanks, WorkService } from '../routing/contract.js'
import { retryTransaction } from '../store/retry-transaction.js'
import type { Tables } from '../store/tables.js'
import { clockEvents } from './clock-events.js'
import { moveCursor, readFacts, readOutdated, takeCursor, untilNext, writeClocks } from './clock-store.js'
import { retarget } from './clock.js'
import type { SlaService } from './contract.js'
import { fireDue, type EscalateDeps, type EscalationAction } from './escalate.js'
import { follow } from './follow.js'
import type { Ledger } from './ledger.js'
import { createSlaReader } from './sla-reader.js'
import { Waiting } from './waiting.js'
import { createKnownCalendars } from './known-calendars.js'
import { createWaivers } from './waiver.js'

export interface SlaDeps extends EscalateDeps {
  readonly db: Kysely<Tables>
  readonly log: Pick<Logger, 'warn' | 'error'>
  readonly reader: Pick<EventReader, 'read' | 'head' | 'subscribe'>
  readonly events: EventWriter
  /** Moves a conversation to a queue, as an agent's transfer would. */
  readonly reassign: (conversation: string, queue: string, cause: string) => Promise<void>
  /** Whether this node follows the log; the others only answer questions. */
  readonly works: boolean
}

/** Clocks are never looked at more rarely than this, whatever wake-up was lost. */
const LOOK_MS = 5_000
/** Lets a batch fill up under load: fewer, larger statements. */
const GATHER_MS = 100
const BATCH = 1_000
const BACKOFF_MS = 1_000

export interface OpenSlaDeps {
  readonly db: Kysely<Tables>
  readonly log: SlaDeps['log']
  readonly ids: () => string
  readonly clock: { now(): number }
  readonly config: Pick<Config, 'calendars' | 'roles' | 'channels'>
  readonly reader: SlaDeps['reader']
  readonly events: EventWriter
  readonly rules: Rules
  readonly calendars: Calendars
  readonly routing: { readonly ranks: WorkRanks; readonly work: Pick<WorkService, 'transfer'> }
}

/** The clocks of a node, put together. */
export function openSla(deps: OpenSlaDeps): Sla {
  const { config, clock, routing, ...rest } = deps
  const { ranks, work } = routing
  const kinds = new Map(config.channels.map((channel) => [channel.id, channel.kind]))
  const actor = { kind: 'system', id: null } as const
  return createSla({
    ...rest,
    now: () => clock.now(),
    channelKind: (channel) => kinds.get(channel) ?? 'messaging',
    known: createKnownCalendars({ ...rest, definitions: config.calendars }),
    ranks,
    promise: ranks.promise,
    reassign: (conversation, queue, cause) => work.transfer(conversation, { queue }, null, { actor, cause }),
    works: config.roles.includes('worker'),
  })
}

export interface Sla extends SlaService {
  /** Follows the log to its head, then fires what is due (by database time, or by `until`). For tests and for `start`. */
  catchUp(until?: Date): Promise<void>
}

/**
 * The clocks follow the event log, like every other reader of it: what moves messages does not wait for them. The cursor's
 * row lock makes it one node at a time; it moves in the transaction that writes the clocks, so each event counts once.
 */
export function createSla(deps: SlaDeps): Sla {
  const { db } = deps
  const stopping = new AbortController()
  let loop: Promise<void> = Promise.resolve()

  const passed: Passed = { cursor: -1, upTo: 0, waiting: new Waiting() }
  const catchUp = async (until: Date | null): Promise<void> => {
    while (!stopping.signal.aborted && (await step(deps, until, passed))) continue
  }
  return Object.freeze({
    ...createSlaReader(db),
    ...createWaivers(deps),
    catchUp: (until) => catchUp(until ?? null),
    async start() {
      await deps.known.remember()
      if (!deps.works) return
      while (await applyCalendars(deps)) continue
      loop = run(deps, catchUp, stopping.signal)
    },
    async stop() {
      stopping.abort()
      await loop
    },
  } satisfies Sla)
}

async function run(deps: SlaDeps, catchUp: (until: null) => Promise<void>, signal: AbortSignal): Promise<void> {
  let wake: (() => void) | null = null
  let news = true
  const unsubscribe = deps.reader.subscribe(() => {
    news = true
    wake?.()
  })
  const pause = async (ms: number, untilNews: boolean): Promise<void> => {
    const woken = new AbortController()
    if (untilNews) wake = () => woken.abort()
    if (!(untilNews && news)) await pauseUntil(ms, woken, signal)
    wake = null
  }
  while (!signal.aborted) {
    try {
      news = false
      await catchUp(null)
      const next = (await untilNext(deps.db)) ?? LOOK_MS
      await pause(Math.max(20, Math.min(LOOK_MS, next)), true)
      if (news) await pause(GATHER_MS, false)
    } catch (error) {
      if (signal.aborted) break
      const { code, name } = error as { code?: unknown; name?: unknown }
      deps.log.warn({ code: code ?? name }, 'the SLA clocks could not follow the log; it is tried again')
      await pause(BACKOFF_MS, false)
    }
  }
  unsubscribe()
}

/** Events that meant nothing to any clock: passed over without a write, so that reading one's own news costs nothing. */
interface Passed {
  cursor: number
  upTo: number
  readonly waiting: Waiting
}
interface Written {
  readonly ledgers: readonly Ledger[]
  readonly cursor: number
}
/** The cursor moves at least this often, well within what the log keeps. */
const MOST_PASSED = 5_000

/** One transaction: a batch of events, or at the head the levels that are due. true: there may be more. */
async function step(deps: SlaDeps, until: Date | null, passed: Passed): Promise<boolean> {
  let told = 0
  let written: Written | null = null
  const more = await retryTransaction(deps.db, async (trx) => {
    told = 0
    written = null
    const tell = async (events: readonly NewEvent[]): Promise<void> => {
      told += events.length
      if (events.length > 0) await deps.events.append(trx, events)
    }
    const cursor = await takeCursor(trx)
    if (cursor === null) return false
    passed.waiting.at(cursor)
    const events = await deps.reader.read(passed.cursor === cursor ? Math.max(cursor, passed.upTo) : cursor, BATCH)
    if (events === null) {
      const head = deps.reader.head()
      deps.log.error({ from: cursor, to: head }, 'events were deleted before the SLA clocks read them')
      await moveCursor(trx, head)
      return true
    }
    const last = events.at(-1)
    if (last === undefined) {
      const due = await fireDue(deps, trx, until)
      await tell(due.events)
      return due.clocks > 0
    }
    // First, while this transaction holds no lock that a transfer could wait for. At least once, harmless the second time.
    for (const event of events) if (event.type === 'sla.escalated') await carryOut(deps, event)
    const { ledgers, events: news } = await follow(deps, trx, events, passed.waiting)
    await tell(news)
    if (ledgers.length > 0 || last.position - cursor > MOST_PASSED) {
      await moveCursor(trx, last.position)
      written = { ledgers, cursor: last.position }
    } else Object.assign(passed, { cursor, upTo: last.position })
    return true
  })
  if (written !== null) passed.waiting.wrote((written as Written).ledgers, (written as Written).cursor)
  if (told > 0) deps.events.poke()
  return more
}

/** A conversation that has gone there already, or has nobody waiting any more, is left alone. */
async function carryOut(deps: SlaDeps, event: StoredEvent): Promise<void> {
  const actions = (event.data['actions'] ?? []) as readonly EscalationAction[]
  for (const action of actions) {
    if (action.do !== 'reassign' || event.conversation === null) continue
    const [found] = await readFacts(deps.db, [event.conversation])
    if (found === undefined || found.queue === action.queue || !['open', 'pending'].includes(found.status)) continue
    try {
      await deps.reassign(event.conversation, action.queue, `sla_${event.position}`)
    } catch (error) {
      const { code, name } = error as { code?: unknown; name?: unknown }
      deps.log.warn({ code: code ?? name, rule: event.data['rule'] }, 'an escalation could not reassign a conversation')
    }
  }
}

/** The configuration's calendars may have been edited: what is used stays used, the rest is counted by the new ones. */
async function applyCalendars(deps: SlaDeps): Promise<boolean> {
  const more = await retryTransaction(deps.db, async (trx) => {
    if ((await takeCursor(trx)) === null) return false
    const outdated = await readOutdated(trx, deps.known.versions, BATCH)
    await deps.known.load(outdated.map((clock) => clock.calendarVersion))
    const now = new Date(deps.now())
    const changed = outdated.flatMap((clock) => {
      const calendar = deps.known.named(clock.calendar)
      if (calendar === null) return []
      const to = { ...clock, seconds: clock.targetS, calendar }
      return [{ before: clock, after: retarget(clock, to, now, deps.known.of(clock.calendarVersion)) }]
    })
    await writeClocks(
      trx,
      changed.map(({ after }) => after),
    )
    await deps.events.append(
      trx,
      changed.flatMap(({ before, after }) => clockEvents(before, after)),
    )
    return changed.length > 0
  })
  deps.events.poke()
  return more
}
