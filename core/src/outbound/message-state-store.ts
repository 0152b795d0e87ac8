import { sql, type Transaction } from 'kysely'
import type { NewEvent } from '../events/contract.js'
import type { Actor } from '../identity/contract.js'
import type { Tables } from '../store/tables.js'

export type SendState =
  'queued' | 'sending' | 'sent' | 'delivered' | 'read' | 'failed' | 'unknown' | 'dead' | 'cancelled'

/** A message whose state followed its sends. */
export interface MessageChange {
  readonly id: string
  readonly conversation: string
  readonly contact: string | null
  readonly version: number | null
  readonly channel: string
  readonly touchpoint: string | null
  readonly thread: string | null
  readonly state: SendState
}

/**
 * Makes messages agree with their sends: still moving while a part is, else the worst end of a part, else what all parts
 * have reached. Locks: the message rows, in id order, after the sends; the sum is taken by a second statement, which
 * therefore sees every part that another transaction settled before it gave the message free.
 */
export async function settleMessages(
  trx: Transaction<Tables>,
  messageIds: readonly string[],
): Promise<readonly MessageChange[]> {
  if (messageIds.length === 0) return []
  const ids = [...new Set(messageIds)]
  await sql`select id from message where id = any(${ids}::uuid[]) order by id for update`.execute(trx)
  const { rows } = await sql<MessageChange>`
    with reached as (
      select message_id,
        case
          when bool_or(state = 'sending') or (bool_or(state = 'queued') and bool_or(state in ('sent', 'delivered', 'read')))
            then 'sending'
          when bool_or(state = 'queued') then 'queued'
          when bool_or(state = 'failed') then 'failed'
          when bool_or(state = 'dead') then 'dead'
          when bool_or(state = 'unknown') then 'unknown'
          when bool_or(state = 'sent') then 'sent'
          when bool_or(state = 'delivered') then 'delivered'
          when bool_or(state = 'read') then 'read'
          else 'cancelled'
        end as state
      from send where message_id = any(${ids}::uuid[]) group by message_id
    )
    update message m set state = reached.state
    from reached
    where m.id = reached.message_id and m.state is distinct from reached.state
    returning m.id, m.conversation_id as conversation, m.channel, m.touchpoint_id as touchpoint, m.state,
      (select c.contact_id from conversation c where c.id = m.conversation_id) as contact,
      (select c.version from conversation c where c.id = m.conversation_id) as version,
      (select t.thread from touchpoint t where t.id = m.touchpoint_id) as thread`.execute(trx)
  return [...rows].sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** Why a message changed: the send that did it, and an error's code and a sentence for the agent. */
export interface Trigger {
  readonly sendId?: string
  readonly code?: string | null
  readonly reason?: string | null
  readonly actor?: Actor
  readonly cause?: string | null
  /** Whether this channel serves its own clients, whose streams are to be woken. */
  readonly watched: boolean
}

export function messageEvent(change: MessageChange, trigger: Trigger): NewEvent {
  return {
    type: `message.${change.state}`,
    conversation: change.conversation,
    contact: change.contact,
    actor: trigger.actor ?? { kind: 'system', id: null },
    cause: trigger.cause ?? null,
    watch: trigger.watched && change.thread !== null ? `${change.channel}/${change.thread}` : null,
    data: {
      messageId: change.id,
      channel: change.channel,
      touchpoint: change.touchpoint,
      state: change.state,
      version: change.version,
      ...(trigger.sendId === undefined ? {} : { sendId: trigger.sendId }),
      ...(trigger.code == null ? {} : { code: trigger.code }),
      ...(trigger.reason == null ? {} : { reason: trigger.reason }),
    },
  }
}
