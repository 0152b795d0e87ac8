import type { Clock, Logger } from '@throughline/plugin-sdk'
import type { Kysely } from 'kysely'
import type { ChannelKind } from './config/contract.js'
import { applyMessages } from './conversations/apply.js'
import { lockCandidatesOf, type ConversationRow } from './conversations/candidate-store.js'
import { defaultContinuity } from './conversations/place.js'
import { applyMessageChange } from './conversations/timeline-store.js'
import type { EventWriter } from './events/contract.js'
import { joinContacts } from './identity/join.js'
import { IdentityResolver, StaleBatch } from './identity/resolve.js'
import { resolvingKeys, type PreparedSender } from './identity/senders.js'
import { setConsent } from './identity/resolve-store.js'
import type { Ids } from './ids.js'
import { Drain } from './inbound/drain.js'
import type { FreshRows } from './inbound/fresh-rows.js'
import { matchChoice } from './outbound/choices.js'
import type { OutboundService } from './outbound/contract.js'
import { verifyReplyToken } from './outbound/reply-token.js'
import type { SupervisedHost } from './plugins/host.js'
import type { createRouting } from './routing/routing.js'
import type { createLiveRules } from './routing/rules/live-rules.js'
import type { Tables } from './store/tables.js'

export interface DrainParts {
  readonly db: Kysely<Tables>
  readonly log: Logger
  readonly clock: Clock
  readonly ids: Ids
  readonly node: string
  readonly events: EventWriter
  readonly host: Pick<SupervisedHost, 'identity'>
  readonly rules: Pick<ReturnType<typeof createLiveRules>, 'evaluate'>
  readonly routing: Pick<ReturnType<typeof createRouting>, 'router' | 'work'>
  readonly outbound: Pick<OutboundService, 'applyReceipts'>
  readonly fresh: FreshRows | undefined
  /** Signs what a mail's answer brings back. */
  readonly replyKey: Uint8Array
  readonly channelKind: (channel: string) => ChannelKind
  readonly watched: (channel: string) => boolean
  readonly attachmentsWait: () => void
}

/** A part of the composition root: what a batch goes through. Used by kernel.ts alone. */
export function composeDrain(parts: DrainParts): Drain<PreparedSender> {
  const { db, log, clock, ids, node, events, rules, routing } = parts
  const resolver = new IdentityResolver({
    db,
    events,
    ids,
    log,
    plugins: () => parts.host.identity(),
    join: (trx, from, into, evidence) =>
      joinContacts(trx, { ids, from, into, evidence, actor: { kind: 'system', id: null } }),
  })
  const openReplyToken = (text: string, thread: string) =>
    verifyReplyToken(parts.replyKey, text, thread)?.conversation ?? null
  const timeline = {
    ids,
    channelKind: parts.channelKind,
    watched: parts.watched,
    openReplyToken,
    chosen: matchChoice,
    continuity: (facts: Parameters<typeof defaultContinuity>[0]) => {
      const hit = rules.evaluate('continuity', facts as unknown as Readonly<Record<string, unknown>>)
      const action = hit?.then['action']
      return action === 'join' || action === 'new' ? action : defaultContinuity(facts)
    },
  }
  return new Drain<PreparedSender>({
    db,
    log,
    clock,
    ids,
    node,
    identity: {
      prepare: (senders) => resolver.prepare(senders),
      resolve: (trx, senders) => resolver.resolve(trx, senders),
      consent: setConsent,
      suggest: (told) => resolver.suggest(told as never),
      isStale: (error) => error instanceof StaleBatch,
    },
    timeline: {
      foresee: (trx, senders) => lockCandidatesOf(trx, resolvingKeys(senders)),
      apply: (trx, messages, foreseen) =>
        applyMessages(trx, messages, timeline, foreseen as readonly ConversationRow[]),
      change: applyMessageChange,
    },
    router: routing.router,
    work: routing.work,
    outbound: parts.outbound,
    events,
    channelKind: parts.channelKind,
    watched: parts.watched,
    fresh: parts.fresh,
    vouches: (text, thread) => openReplyToken(text, thread) !== null,
    attachmentsWait: parts.attachmentsWait,
    settle: (routes) => {
      for (const route of routes) void routing.work.settle(route)
    },
  })
}
