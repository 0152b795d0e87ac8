import { group, map, names, type SchemaNode } from './schema-node.js'

export const channelKinds = Object.freeze(['voice', 'webchat', 'messaging', 'sms', 'email', 'social'] as const)
export const languageLevels = Object.freeze(['A1', 'A2', 'B1', 'B2', 'C1', 'C2'] as const)

const time = '(?:[01]\\d|2[0-3]):[0-5]\\d'
const windows: SchemaNode = {
  type: 'array',
  items: {
    type: 'string',
    pattern: `^${time}-(?:${time}|24:00)$`,
    hint: 'Write a window as "09:00-17:00"; "22:00-06:00" runs over midnight, and 24:00 is allowed as the end.',
  },
}
const date: SchemaNode = { type: 'string', format: 'date', hint: 'Write a date as "2026-12-24".' }
const hours: Readonly<Record<string, SchemaNode>> = {
  weekly: {
    ...group('Windows of each day of the week.', {}),
    properties: Object.fromEntries(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'].map((day) => [day, windows])),
  },
  holidays: { type: 'array', default: [], uniqueItems: true, items: date, description: 'Closed the whole day.' },
  overrides: map('Windows of single dates instead of the weekly ones; [] = closed.', windows, date),
}
const skillLevels = (description: string): SchemaNode => ({
  type: 'object',
  description,
  default: {},
  additionalProperties: { type: 'integer', minimum: 1, maximum: 10, hint: 'Give a level from 1 to 10.' },
})

export const queue: SchemaNode = {
  ...group('A line in which conversations wait for an agent.', {
    name: { type: 'string', minLength: 1, description: 'Shown to people; the id when absent.' },
    teams: names('Teams whose agents serve the queue; empty: every agent.'),
    skills: skillLevels('Skills an agent needs, with the lowest level.'),
    calendar: { type: ['string', 'null'], default: null, description: 'Opening hours; absent: always open.' },
    offerSeconds: { type: 'integer', minimum: 5, maximum: 3600, default: 30, description: 'Life of an offer.' },
    overflow: { type: ['string', 'null'], default: null, description: 'Queue that helps when the wait is too long.' },
    maxWaitSeconds: {
      type: ['integer', 'null'],
      minimum: 1,
      default: null,
      description: 'Wait after which the overflow queue joins in.',
    },
    strict: { type: 'boolean', default: false, description: 'Strict priority instead of head starts.' },
    headStartSeconds: {
      type: 'integer',
      minimum: -86400,
      maximum: 86400,
      default: 0,
      description: 'For agents who serve several queues: how far ahead of the others the work of this one is.',
    },
    wrapUpSeconds: {
      type: 'integer',
      minimum: 0,
      maximum: 3600,
      default: 0,
      description: 'Time an agent has after completing work, units still held; the agent may end it early. 0: none.',
    },
    offer: {
      type: 'string',
      enum: ['one', 'broadcast'],
      default: 'one',
      description: 'broadcast: several agents are asked at once, and the first to accept has it.',
    },
    broadcastTo: {
      type: 'integer',
      minimum: 1,
      maximum: 50,
      default: 5,
      description: 'Most agents a broadcast asks at once.',
    },
    interruptible: {
      type: 'array',
      default: [],
      uniqueItems: true,
      items: { type: 'string', enum: ['email', 'social', 'sms'] },
      description: 'Sorts of channel an agent may leave for a call of this queue: they do not count while it lasts.',
    },
    selection: {
      type: 'string',
      enum: ['least_loaded', 'longest_idle', 'round_robin', 'best_skill'],
      default: 'least_loaded',
      description: 'Which of the agents with room is asked first.',
    },
    holdSeconds: {
      type: ['integer', 'null'],
      minimum: 0,
      maximum: 86400,
      default: null,
      description: 'How long work waits for a preferred agent who is full; absent: chat 30, messages 300, e-mail 7200.',
    },
    fairShare: {
      type: 'object',
      description: 'Most new items an agent gets in a while; absent: as many as there is room for.',
      additionalProperties: false,
      properties: {
        items: { type: 'integer', minimum: 1, maximum: 1000, description: 'So many new items an agent …' },
        minutes: { type: 'integer', minimum: 1, maximum: 1440, description: '… within so many minutes.' },
      },
      required: ['items', 'minutes'],
    },
  }),
}
export const agent: SchemaNode = {
  ...group('A person who answers.', {
    name: { type: 'string', minLength: 1, description: 'Shown to customers and colleagues; the id when absent.' },
    email: { type: 'string', format: 'email', description: 'Signs in with it.', hint: 'Write a full e-mail address.' },
    role: { type: 'string', enum: ['agent', 'lead', 'admin', 'auditor', 'integrator'], default: 'agent' },
    teams: names('Teams the agent belongs to.'),
    skills: skillLevels('What the agent can do, with levels from 1 to 10.'),
    languages: {
      type: 'object',
      description: 'Languages with their CEFR level, A1 to C2.',
      default: {},
      propertyNames: { type: 'string', pattern: '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$', hint: 'Use a tag such as "en".' },
      additionalProperties: { type: 'string', enum: languageLevels },
    },
    backup: { type: ['string', 'null'], default: null, description: 'Stands in where this agent is preferred.' },
    capacity: {
      type: 'integer',
      minimum: 0,
      maximum: 10000,
      default: 100,
      description: 'Units: a voice call takes 100, a web chat 25, a message 20, an e-mail 10.',
    },
    perChannel: {
      type: 'object',
      description: 'Most conversations at a time, by sort of channel.',
      default: {},
      additionalProperties: false,
      properties: Object.fromEntries(channelKinds.map((kind) => [kind, { type: 'integer', minimum: 0 }])),
    },
    timeZone: { type: 'string', default: 'UTC', description: 'IANA name, such as Europe/Berlin.' },
    schedule: {
      type: 'object',
      description: "Working hours in the agent's time zone; absent: works whenever online.",
      additionalProperties: false,
      properties: hours,
      required: ['weekly'],
    },
  }),
  required: ['email'],
}
export const team: SchemaNode = group('A group of agents.', {
  name: { type: 'string', minLength: 1 },
  calendar: { type: ['string', 'null'], default: null, description: 'Opening hours; absent: always open.' },
})
export const status: SchemaNode = {
  ...group('A status agents can choose, by your own name.', {
    name: { type: 'string', minLength: 1, description: 'Shown to agents; the id when absent.' },
    means: {
      type: 'string',
      enum: ['online', 'busy', 'away', 'wrap', 'offline'],
      description: 'busy: no calls and chats, everything else; wrap: nothing new, at work; away, offline: nothing.',
    },
  }),
  required: ['means'],
}
export const workforce: SchemaNode = group('Shifts and absences.', {
  shiftEndMinutes: {
    type: 'integer',
    minimum: 0,
    maximum: 240,
    default: 15,
    description: 'In the last minutes of a shift only what is likely to be done in time is offered.',
  },
  atShiftEnd: {
    type: 'string',
    enum: ['keep', 'requeue'],
    default: 'keep',
    description: 'Messages and e-mails in hand when a shift ends: they stay, or go back to their queues.',
  },
  ownerGraceMinutes: {
    type: 'integer',
    minimum: 0,
    maximum: 1440,
    default: 15,
    description: "Minutes after an absent agent's next opening until what waits for them goes to others.",
  },
  idleMinutes: {
    type: 'integer',
    minimum: 0,
    maximum: 10_080,
    default: 10,
    description: 'Minutes a message in hand waits for its customer until it takes `idleUnits` of its agent. 0: never.',
  },
  idleUnits: {
    type: 'integer',
    minimum: 0,
    maximum: 20,
    default: 5,
    description: 'Units meanwhile; all of them again, above capacity too, as soon as the customer writes.',
  },
})
export const calendar: SchemaNode = {
  ...group('Opening hours.', {
    timeZone: { type: 'string', description: 'IANA name, such as Europe/Berlin.' },
    ...hours,
  }),
  required: ['timeZone'],
}
