import type { NewEvent } from '../events/contract.js'
import type { Actor } from '../identity/contract.js'
import type { ClosedOffer } from './offer-store.js'
import type { Item } from './work-store.js'

/** The events of work, in one place: their data is what consoles, analytics and webhooks read. */
export interface Cause {
  readonly actor: Actor
  readonly cause?: string | undefined
}

export const SYSTEM: Cause = Object.freeze({ actor: Object.freeze({ kind: 'system', id: null } as const) })

export function byAgent(agent: string, cause: string): Cause {
  return { actor: { kind: 'agent', id: agent }, cause }
}

type WorkEventType = Extract<NewEvent['type'], `work.${string}` | 'routing.noRoute'>

export function workEvent(
  type: WorkEventType,
  item: Item,
  by: Cause,
  data: Readonly<Record<string, unknown>> = {},
): NewEvent {
  return {
    type,
    conversation: item.conversation,
    actor: by.actor,
    cause: by.cause ?? null,
    data: {
      item: item.id,
      queue: item.queue,
      priority: item.priority,
      channel: item.channel,
      channelKind: item.channelKind,
      units: item.units,
      ...data,
    },
  }
}

/** Only the agent concerned, leads and admins may see it. */
export function offerEvent(
  type: Extract<NewEvent['type'], `offer.${string}`>,
  offer: { readonly id: string; readonly conversation: string; readonly agent: string; readonly channelKind: string },
  by: Cause,
  data: Readonly<Record<string, unknown>> = {},
): NewEvent {
  return {
    type,
    conversation: offer.conversation,
    agent: offer.agent,
    actor: by.actor,
    cause: by.cause ?? null,
    data: {
      offerId: offer.id,
      conversation: offer.conversation,
      agent: offer.agent,
      channelKind: offer.channelKind,
      ...data,
    },
  }
}

/** The end of pending offers, and that their items wait again. */
export function closedEvents(
  type: 'offer.declined' | 'offer.expired' | 'offer.rescinded' | 'offer.cancelled',
  closed: readonly ClosedOffer[],
  reason: string | null,
  by: Cause,
  requeued = true,
): readonly NewEvent[] {
  return closed.flatMap((offer) => {
    const ended = offerEvent(type, offer, by, { reason, ...(type === 'offer.expired' ? { missed: offer.missed } : {}) })
    if (!requeued || !offer.requeued) return [ended]
    const queued: NewEvent = {
      type: 'work.queued',
      conversation: offer.conversation,
      actor: SYSTEM.actor,
      cause: by.cause ?? null,
      data: {
        item: offer.item,
        queue: offer.queue,
        priority: offer.priority,
        channelKind: offer.channelKind,
        units: offer.units,
        after: type,
      },
    }
    return [ended, queued]
  })
}
