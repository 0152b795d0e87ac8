import { query } from './database.js'
import { channel } from './engine.js'

/**
 * Fills an engine's database with what years leave behind: contacts with their identifiers, a resolved conversation and a
 * touchpoint each, messages, and the inbox rows and events of the retention. Rows as the engine writes them; the contacts
 * are `customer-0` and on, so that the load's senders are found among them.
 */
export async function writeHistory(url: string, contacts: number, messages: number): Promise<void> {
  const each = messages / contacts
  const uuid = (kind: string, n: string) => `md5('${kind}-' || ${n})::uuid`
  const time = (n: string) => `now() - interval '60 days' - ${n} * interval '1 second'`
  const statements = [
    `insert into contact (id, name, created_at) select ${uuid('c', 'n')}, 'Customer ' || n, ${time('n')} from generate_series(0, ${contacts - 1}) n`,
    `insert into identifier (id, contact_id, kind, value, assurance, resolves, evidence, channel)
      select ${uuid('i', 'n')}, ${uuid('c', 'n')}, 'sender:${channel}', 'customer-' || n, 'verified', true, 'history', '${channel}'
      from generate_series(0, ${contacts - 1}) n`,
    `insert into conversation (id, contact_id, status, queue, last_message_at, last_inbound_at, resolved_at, created_at)
      select ${uuid('v', 'n')}, ${uuid('c', 'n')}, 'resolved', 'support', ${time('n')}, ${time('n')}, ${time('n')}, ${time('n')}
      from generate_series(0, ${contacts - 1}) n`,
    `insert into touchpoint (id, conversation_id, contact_id, channel, thread, thread_kind)
      select ${uuid('t', 'n')}, ${uuid('v', 'n')}, ${uuid('c', 'n')}, '${channel}', 'customer-' || n, 'direct'
      from generate_series(0, ${contacts - 1}) n`,
    `insert into message (id, conversation_id, touchpoint_id, channel, direction, author_kind, author_id, text, parts, external_id,
        automatic, provider_at, at, late)
      select ${uuid('m', 'm')}, ${uuid('v', `(m / ${each})`)}, ${uuid('t', `(m / ${each})`)}, '${channel}', 'in', 'customer', null,
        'Where is my order number ' || m || '? It should have been here on Tuesday.',
        json_build_array(json_build_object('type', 'text', 'text', 'Where is my order number ' || m || '?')),
        'old-' || m, false, ${time('m')}, ${time('m')}, false
      from generate_series(0, ${messages - 1}) m`,
    `insert into inbox (channel, external_id, lane, shard, event, request, received_at)
      select '${channel}', 'old-' || m, '${channel}/customer-' || (m / ${each}), 0,
        json_build_object('type', 'message', 'id', 'old-' || m, 'text', 'Where is my order number ' || m || '?'),
        ${uuid('r', 'm')}, now() - interval '1 day'
      from generate_series(0, ${messages - 1}) m`,
    `insert into event_log (position, type, conversation_id, contact_id, actor_kind, data, at)
      select m + 1, 'message.inbound', ${uuid('v', `(m / ${each})`)}, ${uuid('c', `(m / ${each})`)}, 'customer',
        json_build_object('text', 'Where is my order number ' || m || '?'), now() - interval '1 day'
      from generate_series(0, ${messages - 1}) m`,
    `update event_head set position = ${messages}`,
    'vacuum analyze',
  ]
  for (const statement of statements) await query(url, statement)
}
