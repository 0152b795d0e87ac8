import type { Transaction } from 'kysely'
import type { StoredEvent } from '../events/contract.js'
import type { Rules } from '../routing/contract.js'
import type { Tables } from '../store/tables.js'
import type { Calendars } from '../calendars/contract.js'
import type { Clock } from './clock.js'
import {
  readClocks,
  readFacts,
  readMessages,
  withOpenClocks,
  writeClocks,
  writeLedgers,
  type ConversationFacts,
} from './clock-store.js'
import { clockEvents } from './clock-events.js'
import type { Metric } from './contract.js'
import type { KnownCalendars } from './known-calendars.js'
import { apply, joinLedgers, type Ledger, type LedgerContext } from './ledger.js'
import { policyOf, type Policy } from './policy.js'
import { policyFacts } from './policy-facts.js'
import type { Waiting } from './waiting.js'
import { concerns, messageIdOf, signalsOf, type Heard } from './signals.js'
import type { NewEvent } from '../events/contract.js'

export interface FollowDeps {
  readonly ids: () => string
  readonly now: () => number
  readonly rules: Rules
  readonly calendars: Calendars
  readonly known: KnownCalendars
  readonly channelKind: (channel: string) => string
  /** Tells routing the earliest promise of each conversation; null: none. Inside the transaction. */
  readonly promise: (
    trx: Transaction<Tables>,
    due: readonly { readonly conversation: string; readonly dueAt: Date | null }[],
  ) => Promise<void>
}

export interface Followed {
  /** Conversations that were looked at; none: nothing to write down. */
  readonly ledgers: readonly Ledger[]
  /** For the log. */
  readonly events: readonly NewEvent[]
}
const NOTHING: Followed = Object.freeze({ ledgers: [], events: [] })

/**
 * Applies events to the clocks of their conversations, set-based: the statements do not grow with the batch. The cursor's
 * lock is held by the caller, who moves it in the same transaction: an event counts once.
 */
export async function follow(
  deps: FollowDeps,
  trx: Transaction<Tables>,
  events: readonly StoredEvent[],
  waiting: Waiting,
): Promise<Followed> {
  const relevant = waiting.sift(events.filter(concerns))
  if (relevant.length === 0) return NOTHING
  const ids = [...new Set(relevant.map(messageIdOf).filter((id) => id !== null))]
  const messages = new Map((await readMessages(trx, ids)).map((message) => [message.id, message]))
  const receivedBy = new Map<string, Date>()
  for (const event of relevant) {
    const message = messages.get(messageIdOf(event) ?? '')
    if (event.type === 'message.inbound' && event.cause !== null && message)
      receivedBy.set(event.cause, message.receivedAt)
  }
  const heard = await hear(trx, relevant, (event) => signalsOf(event, messages, receivedBy))
  if (heard.length === 0) return NOTHING
  const conversations = [
    ...new Set(heard.flatMap((one) => ('joined' in one ? [one.conversation, one.joined] : [one.conversation]))),
  ]
  const facts = new Map((await readFacts(trx, conversations)).map((one) => [one.id, one]))
  const stored = await readClocks(trx, conversations, ids)
  await deps.known.load(stored.map((clock) => clock.calendarVersion))
  const ledgers = new Map([...facts.values()].map((one) => [one.id, ledgerOf(one, stored)]))
  const asRead = new Map([...ledgers.values()].map((ledger) => [ledger, { ...ledger }]))
  const requeued = new Set(relevant.flatMap(({ type, conversation }) => (type === 'work.queued' ? [conversation] : [])))
  const contexts = new Map<string, LedgerContext>()
  const contextOf = (ledger: Ledger): LedgerContext => {
    const found = contexts.get(ledger.conversation)
    if (found !== undefined) return found
    const made = createContext(deps, facts.get(ledger.conversation)!, ledger)
    contexts.set(ledger.conversation, made)
    return made
  }
  for (const one of heard) {
    const ledger = ledgers.get(one.conversation)
    if (ledger === undefined) continue
    if ('signal' in one) apply(ledger, one.signal, contextOf(ledger))
    else {
      const from = ledgers.get(one.joined)
      if (from !== undefined) joinLedgers(from, ledger, one.at, contextOf(ledger))
    }
  }
  // Most messages under load are further ones of somebody who waits already: they change nothing, and nothing is written.
  const all = [...ledgers.values()]
  const isNew = (ledger: Ledger): boolean => facts.get(ledger.conversation)?.known == null
  const changed = all.filter((ledger) => isNew(ledger) || !same(ledger, asRead.get(ledger) ?? ledger))
  const moved = new Set(changed)
  const ranked = all.filter((ledger) => moved.has(ledger) || requeued.has(ledger.conversation))
  return { ledgers: all, events: await save(deps, trx, { changed, ranked, stored }) }
}

/** Signals in the order of the log; a contact's change is one for each of its conversations with open clocks. */
async function hear(
  trx: Transaction<Tables>,
  events: readonly StoredEvent[],
  signals: (event: StoredEvent) => readonly Heard[],
): Promise<readonly Heard[]> {
  const contacts = events.flatMap(({ type, contact }) =>
    type === 'contact.updated' && contact !== null ? [contact] : [],
  )
  const affected = await withOpenClocks(trx, [...new Set(contacts)])
  return events.flatMap((event): readonly Heard[] =>
    event.type === 'contact.updated'
      ? affected
          .filter(({ contact }) => contact === event.contact)
          .map(({ id }) => ({ conversation: id, signal: { type: 'changed', at: new Date(event.at) } }))
      : signals(event),
  )
}

/** A conversation that is not known yet is as it was when it began: its events tell the rest. */
export function ledgerOf(facts: ConversationFacts, clocks: readonly Clock[]): Ledger {
  const { known } = facts
  return {
    conversation: facts.id,
    status: known?.status ?? 'open',
    handledBy: known?.handledBy ?? 'none',
    replied: known?.replied ?? false,
    unanswered: known?.unanswered == null ? null : new Date(known.unanswered),
    touchpoint: known?.touchpoint ?? null,
    cycles: new Map(Object.entries(known?.cycles ?? {}) as [Metric, number][]),
    clocks: clocks.filter((clock) => clock.conversation === facts.id),
  }
}

function createContext(deps: FollowDeps, facts: ConversationFacts, ledger: Ledger): LedgerContext {
  const channelOf = (touchpoint: string | null): string | null =>
    touchpoint === null ? null : (facts.channels[touchpoint] ?? null)
  let chosen: { readonly policy: Policy | null } | null = null
  return {
    ids: deps.ids,
    priority: facts.priority,
    tier: facts.tier,
    channelKind: (touchpoint) => {
      const channel = channelOf(touchpoint)
      return channel === null ? null : deps.channelKind(channel)
    },
    calendar: (clock) => deps.known.of(clock.calendarVersion),
    // Chosen when first asked: by then the ledger knows the channel the customer wrote on.
    get policy() {
      if (chosen === null) {
        const channel = channelOf(ledger.touchpoint) ?? Object.values(facts.channels)[0] ?? null
        const result = deps.rules.evaluate('sla', policyFacts(facts, channel, deps.channelKind, deps.now()))
        chosen = { policy: result === null ? null : policyOf(result, deps.calendars) }
      }
      return chosen.policy
    },
  }
}

/** Clocks are values: the same ones in the same places have not changed. Cycles change with clocks only. */
function same(a: Ledger, b: Ledger): boolean {
  return (
    a.status === b.status &&
    a.handledBy === b.handledBy &&
    a.replied === b.replied &&
    a.unanswered?.getTime() === b.unanswered?.getTime() &&
    a.touchpoint === b.touchpoint &&
    a.clocks.length === b.clocks.length &&
    a.clocks.every((clock, index) => clock === b.clocks[index])
  )
}

async function save(
  deps: FollowDeps,
  trx: Transaction<Tables>,
  of: { readonly changed: readonly Ledger[]; readonly ranked: readonly Ledger[]; readonly stored: readonly Clock[] },
): Promise<readonly NewEvent[]> {
  const before = new Map(of.stored.map((clock) => [clock.id, clock]))
  const changed = of.changed.flatMap((ledger) => ledger.clocks.filter((clock) => before.get(clock.id) !== clock))
  await writeClocks(trx, changed)
  await writeLedgers(trx, of.changed)
  await deps.promise(
    trx,
    of.ranked.map((ledger) => ({ conversation: ledger.conversation, dueAt: earliestDue(ledger.clocks) })),
  )
  return changed.flatMap((clock) => clockEvents(before.get(clock.id), clock))
}

function earliestDue(clocks: readonly Clock[]): Date | null {
  let earliest: Date | null = null
  for (const { dueAt, endedAt } of clocks) {
    if (endedAt === null && dueAt !== null && (earliest === null || dueAt < earliest)) earliest = dueAt
  }
  return earliest
}
