import type { RuleType } from '@throughline/plugin-sdk'
import type { RuleFileKind } from './contract.js'

/** The published facts: what a rule may read with `var`. `null` in the data is allowed where `nullable` says so. */
export type FactField =
  | {
      readonly type: RuleType
      readonly nullable: boolean
      readonly description: string
      readonly values?: readonly string[]
    }
  | { readonly type: 'object'; readonly nullable: boolean; readonly fields: FactFields; readonly description: string }
  /** Anything may stand below it: attributes an integrator has set. */
  | { readonly type: 'open'; readonly nullable: true; readonly description: string }
export type FactFields = Readonly<Record<string, FactField>>

const leaf = (type: RuleType, description: string, nullable = false, values?: readonly string[]): FactField =>
  Object.freeze({ type, nullable, description, ...(values === undefined ? {} : { values }) })
const object = (description: string, fields: FactFields, nullable = false): FactField =>
  Object.freeze({ type: 'object', nullable, fields: Object.freeze(fields), description })

const contact = object('The customer.', {
  id: leaf('string', 'Id of the contact.'),
  accountManager: leaf('string', 'Agent who looks after the contact.', true),
  tier: leaf('string', 'Tier of the contact, as your systems set it.', true),
  language: leaf('string', 'Language tag of the contact.', true),
  verified: leaf('boolean', 'Who wrote is proven, not only claimed.'),
  attributes: Object.freeze({ type: 'open', nullable: true, description: 'What your systems know about the contact.' }),
})

const channel = object('Where the message came in.', {
  id: leaf('string', 'Name of the channel in throughline.yaml.'),
  kind: leaf('string', 'Sort of the channel.', false, ['voice', 'webchat', 'messaging', 'sms', 'email', 'social']),
})

const message: FactFields = {
  text: leaf('string', 'Text of the message, empty if there is none.'),
  length: leaf('number', 'Characters of the text.'),
  automatic: leaf('boolean', 'Sent by a machine: an absence note, a bounce.'),
  hasAttachments: leaf('boolean', 'The message carries files.'),
  choice: leaf('string', 'Value of the choice it is: a pressed button, or the number of a listed one.', true),
}

/** What a promise may depend on; the same for escalations, which add the clock and its level. */
const promised: FactFields = {
  now: leaf('instant', 'Time of the decision; rules know no other clock.'),
  contact: object('The customer.', {
    id: leaf('string', 'Id of the contact.'),
    tier: leaf('string', 'Tier of the contact, as your systems set it.', true),
    language: leaf('string', 'Language tag of the contact.', true),
    attributes: Object.freeze({
      type: 'open',
      nullable: true,
      description: 'What your systems know about the contact.',
    }),
  }),
  conversation: object('The conversation.', {
    id: leaf('string', 'Id of the conversation.'),
    status: leaf('string', 'Its status.', false, ['open', 'pending', 'snoozed', 'resolved', 'joined']),
    priority: leaf('string', 'Its priority.', false, ['urgent', 'high', 'normal', 'low']),
    queue: leaf('string', 'Queue it waits in or came from.', true),
    tags: leaf('string[]', 'Its tags.'),
    language: leaf('string', 'Language tag of the conversation.', true),
    assignee: leaf('string', 'Agent who has it.', true),
    slaPolicy: leaf('string', 'What a routing rule wrote into "sla_policy".', true),
  }),
  channel,
}

export const factSchemas: Readonly<Record<RuleFileKind, FactFields>> = Object.freeze({
  routing: Object.freeze({
    now: leaf('instant', 'Time of the decision; rules know no other clock.'),
    contact,
    conversation: object('The conversation that needs a place.', {
      id: leaf('string', 'Id of the conversation.'),
      status: leaf('string', 'Its status.', false, ['open', 'pending', 'snoozed', 'resolved', 'joined']),
      priority: leaf('string', 'Its priority.', false, ['urgent', 'high', 'normal', 'low']),
      tags: leaf('string[]', 'Its tags.'),
      language: leaf('string', 'Language tag of the conversation.', true),
      subject: leaf('string', 'Subject, where the channel has one.', true),
      isNew: leaf('boolean', 'True for the first message.'),
      lastAgent: leaf('string', 'Agent who had it last.', true),
    }),
    message: object('The message that set this off; absent for a transfer.', message, true),
    channel,
    agent: object(
      'Who had the conversation last, and would get it back; for skill_gte, lang_gte and in_team.',
      {
        id: leaf('string', 'Id of the agent.'),
        teams: leaf('string[]', 'Teams of the agent.'),
        skills: Object.freeze({ type: 'open', nullable: true, description: 'Skill → level.' }),
        languages: Object.freeze({ type: 'open', nullable: true, description: 'Language → level.' }),
      },
      true,
    ),
    history: object(
      'Other conversations of the contact; for contact_stat.',
      {
        conversations_1d: leaf('number', 'Begun within a day.'),
        conversations_7d: leaf('number', 'Begun within seven days.'),
        conversations_30d: leaf('number', 'Begun within thirty days.'),
        open_conversations: leaf('number', 'Not resolved.'),
        last_agent: leaf('string', 'Agent of the latest that had one.', true),
        last_channel: leaf('string', 'Channel of the latest.', true),
      },
      true,
    ),
    queues: Object.freeze({
      type: 'open',
      nullable: true,
      description: 'Figures of the queues at the time of the decision; for queue_stat.',
    }),
  }),
  continuity: Object.freeze({
    candidate: object('A conversation of the same contact that the message might belong to.', {
      status: leaf('string', 'Its status.', false, ['open', 'pending', 'snoozed', 'resolved', 'joined']),
      resolvedHoursAgo: leaf('number', 'Hours since it was resolved.', true),
      lastMessageHoursAgo: leaf('number', 'Hours since its last message.', true),
      sameThread: leaf('boolean', 'The message came in on a thread it already has.'),
      sameChannel: leaf('boolean', 'It already runs over the channel of the message.'),
    }),
    message: object('The message.', {
      automatic: leaf('boolean', 'Sent by a machine: an absence note, a bounce.'),
      length: leaf('number', 'Characters of its text.'),
      hasSubject: leaf('boolean', 'It has a subject, as e-mail does.'),
    }),
    contact: object('The customer.', {
      verified: leaf('boolean', 'Who wrote is proven, not only claimed.'),
      tier: leaf('string', 'Tier of the contact, as your systems set it.', true),
    }),
    channel,
  }),
  sla: Object.freeze(promised),
  escalation: Object.freeze({
    ...promised,
    level: leaf('string', 'The level that was reached: "75%", "100%", "+15m" …'),
    clock: object('The clock that reached it.', {
      metric: leaf('string', 'What it measures.', false, [
        'first_reply',
        'next_reply',
        'periodic_update',
        'requester_wait',
        'agent_work',
        'total_resolution',
      ]),
      policy: leaf('string', 'Rule of sla.json.'),
      cycle: leaf('number', 'Counts from 1 for each metric of a conversation.'),
      target_s: leaf('number', 'Promised seconds.'),
    }),
  }),
})

export type FactType = { readonly type: RuleType | 'object'; readonly nullable: boolean }

/** Type of a path; null: there is no such fact. A path below something nullable is nullable itself. */
export function factAt(fields: FactFields, path: readonly string[]): FactType | null {
  let level: FactFields = fields
  let nullable = false
  for (let depth = 0; depth < path.length; depth++) {
    const name = path[depth] ?? ''
    const field = Object.hasOwn(level, name) ? level[name] : undefined
    if (field === undefined) return null
    nullable ||= field.nullable
    if (field.type === 'open') return { type: 'any', nullable: true }
    if (field.type === 'object') {
      level = field.fields
      if (depth === path.length - 1) return { type: 'object', nullable }
    } else if (depth === path.length - 1) return { type: field.type, nullable }
    else return null
  }
  return { type: 'object', nullable: false }
}

/** Every path a rule may name, for suggestions and the reference page. */
export function factPaths(fields: FactFields, prefix = ''): readonly string[] {
  return Object.entries(fields).flatMap(([name, field]) =>
    field.type === 'object'
      ? [`${prefix}${name}`, ...factPaths(field.fields, `${prefix}${name}.`)]
      : [`${prefix}${name}`],
  )
}
