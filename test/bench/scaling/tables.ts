import type { Bytes, Measured } from './measured.js'
import {
  EVENT_DAYS,
  desk,
  growth,
  keptBytes,
  limits,
  meanCost,
  partitionFrom,
  usualShape,
  type Limit,
  type Site,
} from './model.js'

/** As the deployment files limit a node. */
const NODE_LIMIT_MB = 768

/** Ways to put it up, small to large. Disks: what a cloud's middle class of volume takes. */
const sites: readonly (Site & { readonly name: string })[] = [
  { name: 'one machine, embedded', nodes: 1, postgresCores: 1, ramGb: 4, maxConnections: 100, walMbPerS: 100 },
  { name: 'two nodes', nodes: 2, postgresCores: 4, ramGb: 16, maxConnections: 100, walMbPerS: 150 },
  { name: 'four nodes', nodes: 4, postgresCores: 8, ramGb: 32, maxConnections: 200, walMbPerS: 250 },
  { name: 'eight nodes', nodes: 8, postgresCores: 16, ramGb: 64, maxConnections: 400, walMbPerS: 500 },
  { name: 'sixteen nodes', nodes: 16, postgresCores: 32, ramGb: 128, maxConnections: 600, walMbPerS: 1_000 },
]
const stores = [1e6, 1e7, 1e8, 1e9]
const desks = [10, 100, 1_000, 10_000]
const YEARS = 3

/** The generated parts of docs/scaling.md, by name. Figures to three digits: more would be a promise. */
export function pageParts(measured: Measured): Readonly<Record<string, string>> {
  return {
    measured: measuredTable(measured),
    bytes: bytesTable(measured),
    assumed: assumedTable(),
    sites: sitesTable(measured),
    growth: growthTable(measured),
    partitions: partitionTable(measured),
    agents: agentsTable(measured),
    inputs: `\`\`\`json\n${JSON.stringify(rounded(measured), null, 2)}\n\`\`\``,
  }
}

/** Counts as they are, everything else to four digits: so the page's own figures make the page's own tables. */
export function rounded<T>(value: T): T {
  if (typeof value === 'number') return (Number.isInteger(value) ? value : Number(value.toPrecision(4))) as T
  if (Array.isArray(value)) return value.map((one: unknown) => rounded(one)) as T
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, rounded(one as unknown)])) as T
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]): string =>
    `| ${cells.map((cell) => (typeof cell === 'number' ? short(cell) : cell)).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function short(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const digits = Math.abs(value) >= 1_000 ? Math.round(Number(value.toPrecision(3))) : Number(value.toPrecision(3))
  if (digits >= 1e9) return `${digits / 1e9} billion`
  if (digits >= 1e6) return `${digits / 1e6} million`
  return digits.toLocaleString('en-US', { maximumFractionDigits: 4 })
}

function measuredTable(m: Measured): string {
  const pair = (name: string, of: (cost: Measured['inbound']) => number): (string | number)[] => [
    name,
    of(m.inbound),
    of(m.answer),
  ]
  return [
    table(
      ['', "a customer's message", "an agent's answer"],
      [
        pair('engine, ms of CPU', (cost) => cost.engineMs),
        pair('PostgreSQL, ms of CPU', (cost) => cost.postgresMs),
        pair('write-ahead log, bytes', (cost) => cost.walBytes),
        pair('events in the log', (cost) => cost.events),
        pair('transactions that write', (cost) => cost.transactions),
      ],
    ),
    table(
      ['one node', ''],
      [
        [
          "customers' messages/s and answers/s in this run, everything on one machine",
          `${short(m.messagesPerS)}, ${short(m.answersPerS)}`,
        ],
        ['connections to PostgreSQL, idle and under load', `${m.connectionsIdle}, ${m.connectionsLoaded}`],
        ['memory just started, under load, MB', `${short(m.nodeMb)}, ${short(m.loadedNodeMb)}`],
        ["memory of an agent's socket, kB", m.socketKb],
        ['engine CPU of a socket at rest, ms a second', m.socketMsPerS],
        ['engine CPU of a frame to one socket, ms', m.frameMs],
      ],
    ),
    table(
      ['what all nodes share', ''],
      [
        [
          'events/s the sequencer gives positions to, keeping up and far behind',
          `${short(m.sequencedPerS.steady)}, ${short(m.sequencedPerS.behind)}`,
        ],
        [
          'NOTIFY/s with 2 and with 32 listening connections',
          `${short(m.notifyPerS.few)}, ${short(m.notifyPerS.many)}`,
        ],
        [
          'inbox rows/s and events/s that retention deletes',
          `${short(m.sweep.inboxRowsPerS)}, ${short(m.sweep.eventRowsPerS)}`,
        ],
        [`ms of a sweep over ${short(m.sweep.idleRows)} rows that finds none old enough`, m.sweep.idleMs],
        ['updates of `conversation` that touch no index', `${short(m.updatesInPlace * 100)} %`],
      ],
    ),
  ].join('\n\n')
}

function bytesTable(m: Measured): string {
  const rows = (what: string, list: readonly Bytes[]): (string | number)[][] =>
    list.map((one) => [what, `\`${one.table}\``, one.heap, one.index])
  return [
    table(
      ['grows with', 'table', 'bytes of rows', 'bytes of indexes'],
      [
        ...rows("a customer's message", m.bytesPerMessage),
        ...rows("an agent's answer", m.bytesPerAnswer),
        ...rows('a conversation', m.bytesPerConversation),
        ...rows('a contact', m.bytesPerContact),
      ],
    ),
    `A row of \`inbox\` takes ${short(m.inboxRow)} bytes with its indexes and goes after 7 days, one of \`event_log\` ${short(m.eventRow)} bytes and goes after ${EVENT_DAYS * 24} hours. An external id as networks make them (46 characters in no order) takes ${short(m.randomIdIndexRow)} bytes of index; the measurement's own, short and in order, ${short(m.externalIdIndexRow)}. With the assumptions below a message leaves **${short(keptBytes(m, usualShape))} bytes** for ever.`,
  ].join('\n\n')
}

function assumedTable(): string {
  const s = usualShape
  return table(
    ['assumption', ''],
    [
      ['messages of a conversation', s.messagesPerConversation],
      ['conversations of a contact', s.conversationsPerContact],
      ['share of messages that are answers', s.answers],
      ["share of a day's messages in its busiest hour", s.busiestHour],
      ['share of a resource the busiest hour may take', s.headroom],
      ["agents' sockets that see a message", s.watchers],
      ['messages of an agent in an hour, both ways', s.messagesPerAgentHour],
      ['typing and viewing hints of an agent a second', s.hintsPerAgentS],
      ['memory limit of a node, MB; half of it for sockets', NODE_LIMIT_MB],
    ],
  )
}

const limitNames: Readonly<Record<Limit['what'], string>> = {
  engine: "the engines' threads",
  PostgreSQL: 'CPU of PostgreSQL',
  sequencer: 'the sequencer',
  'log on disk': 'the disk of the write-ahead log',
  'inbox retention': 'the sweep of the inbox',
  connections: 'connections',
}

function sitesTable(m: Measured): string {
  return table(
    ['put up', 'cores for PostgreSQL', 'messages a day', 'first limit', 'next limit', 'and then', 'days to 1 billion'],
    sites.map((site) => {
      const all = limits(m, usualShape, site)
      const name = (i: number): string => {
        const one = all[i]
        return one === undefined ? '–' : `${limitNames[one.what]} (${short(one.messagesPerDay)})`
      }
      const perDay = all[0]?.messagesPerDay ?? 0
      return [site.name, site.postgresCores, perDay, name(0), name(1), name(2), 1e9 / perDay]
    }),
  )
}

function growthTable(m: Measured): string {
  return table(
    [
      'messages stored',
      'a day',
      'kept, GB',
      'swept, GB',
      'log, GB a day',
      'index of external ids, GB',
      'hot, GB',
      'hot with months, GB',
      'days to a freeze',
    ],
    stores.map((messages) => {
      const perDay = messages / (YEARS * 365)
      const g = growth(m, usualShape, messages, perDay)
      return [
        messages,
        perDay,
        g.keptGb,
        g.sweptGb,
        g.walGbPerDay,
        g.idIndexGb,
        g.hotGb,
        g.hotPartitionedGb,
        g.freezeDays > 3_650 ? 'over ten years' : g.freezeDays,
      ]
    }),
  )
}

function partitionTable(m: Measured): string {
  return table(
    ['memory of the database server, GB', 'partition `message` and `send` before so many messages'],
    [4, 16, 64, 256].map((ramGb) => [ramGb, partitionFrom(m, ramGb)]),
  )
}

function agentsTable(m: Measured): string {
  const cost = meanCost(m, usualShape)
  return [
    table(
      [
        'agents at their desks',
        'messages/s',
        "sockets' memory, MB",
        'engine cores',
        'PostgreSQL cores',
        'hints/s',
        'nodes',
        'bus',
      ],
      desks.map((agents) => {
        const d = desk(m, usualShape, agents, NODE_LIMIT_MB)
        return [
          agents,
          d.messagesPerS,
          d.memoryMb,
          d.engineCores,
          d.postgresCores,
          d.hintsPerS,
          d.nodes,
          d.bus ? 'yes' : 'no',
        ]
      }),
    ),
    `Two nodes at least where one may die. The mean message takes ${short(cost.engineMs)} ms of an engine and ${short(cost.postgresMs)} ms of PostgreSQL.`,
  ].join('\n\n')
}
