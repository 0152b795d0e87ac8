import type { Bytes, Cost, Measured } from './measured.js'

/**
 * What is assumed of a business. Nothing here is measured; the defaults are a support desk that answers about every second
 * message and is busy by day.
 */
export interface Shape {
  readonly messagesPerConversation: number
  readonly conversationsPerContact: number
  /** Share of all messages that are answers. */
  readonly answers: number
  /** Share of a day's messages that comes in its busiest hour. */
  readonly busiestHour: number
  /** Share of a resource that the busiest hour may take. */
  readonly headroom: number
  /** Agents' sockets that an event of a message is sent to. */
  readonly watchers: number
  /** Messages, both ways, that an agent has in an hour, and NOTIFYs for typing and viewing an agent causes in a second. */
  readonly messagesPerAgentHour: number
  readonly hintsPerAgentS: number
}

export const usualShape: Shape = Object.freeze({
  messagesPerConversation: 10,
  conversationsPerContact: 3,
  answers: 0.5,
  busiestHour: 0.12,
  headroom: 0.6,
  watchers: 4,
  messagesPerAgentHour: 60,
  hintsPerAgentS: 0.1,
})

/** What is put up. */
export interface Site {
  readonly nodes: number
  readonly postgresCores: number
  readonly ramGb: number
  readonly maxConnections: number
  /** MB/s that the disk takes of the write-ahead log. */
  readonly walMbPerS: number
}

export interface Limit {
  readonly what: 'engine' | 'PostgreSQL' | 'sequencer' | 'log on disk' | 'inbox retention' | 'connections'
  readonly messagesPerDay: number
}

const GB = 1024 ** 3
/** As the engine has them: events 96 hours, the inbox 7 days. */
export const EVENT_DAYS = 4
const INBOX_DAYS = 7
const DAY_S = 86_400
const HOT_DAYS = 7

const sum = (list: readonly Bytes[]): number => list.reduce((all, { heap, index }) => all + heap + index, 0)

/** The mean message: so many customers' messages, so many answers. */
export function meanCost(measured: Measured, { answers }: Shape): Cost {
  const mean = (of: (cost: Cost) => number): number =>
    (1 - answers) * of(measured.inbound) + answers * of(measured.answer)
  return {
    engineMs: mean((cost) => cost.engineMs),
    postgresMs: mean((cost) => cost.postgresMs),
    walBytes: mean((cost) => cost.walBytes),
    transactions: mean((cost) => cost.transactions),
    events: mean((cost) => cost.events),
  }
}

/** Every limit of a site as messages a day, the lowest first: what stands at the front saturates first. */
export function limits(measured: Measured, shape: Shape, site: Site): readonly Limit[] {
  const cost = meanCost(measured, shape)
  const engineMs = cost.engineMs + cost.events * shape.watchers * measured.frameMs
  const byDay = (perSecond: number): number => (perSecond * shape.headroom * 3_600) / shape.busiestHour
  const perNode = measured.connectionsLoaded
  const reachable = Math.floor((site.maxConnections - 10) / perNode)
  const engine = (nodes: number): number => byDay((nodes * 1_000) / engineMs)
  const all: Limit[] = [
    { what: 'engine', messagesPerDay: engine(site.nodes) },
    { what: 'PostgreSQL', messagesPerDay: byDay((site.postgresCores * 1_000) / cost.postgresMs) },
    { what: 'sequencer', messagesPerDay: byDay(measured.sequencedPerS.steady / cost.events) },
    { what: 'log on disk', messagesPerDay: byDay((site.walMbPerS * 1e6) / cost.walBytes) },
    {
      what: 'inbox retention',
      messagesPerDay: (measured.sweep.inboxRowsPerS * DAY_S) / (1 - shape.answers),
    },
  ]
  if (reachable < site.nodes) all.push({ what: 'connections', messagesPerDay: engine(reachable) })
  return all.sort((a, b) => a.messagesPerDay - b.messagesPerDay)
}

export interface Growth {
  readonly messages: number
  /** What is kept for ever. */
  readonly keptGb: number
  /** The inbox and the event log within their retention. */
  readonly sweptGb: number
  /** What has to stay in memory for the flow not to wait for the disk: with one table of messages, with one a month. */
  readonly hotGb: number
  readonly hotPartitionedGb: number
  /** The index over external ids alone: entered at random places over its whole width. */
  readonly idIndexGb: number
  readonly walGbPerDay: number
  /** Days until PostgreSQL has to freeze everything once: 200 million transactions. */
  readonly freezeDays: number
}

/** Bytes that one message leaves for ever, its share of conversation and contact included. */
export function keptBytes(measured: Measured, shape: Shape): number {
  const longIds = measured.randomIdIndexRow - measured.externalIdIndexRow
  const message =
    (1 - shape.answers) * (sum(measured.bytesPerMessage) + longIds) +
    shape.answers * (sum(measured.bytesPerAnswer) + measured.randomIdIndexRow)
  const conversation =
    sum(measured.bytesPerConversation) + sum(measured.bytesPerContact) / shape.conversationsPerContact
  return message + conversation / shape.messagesPerConversation
}

/** A database after so many messages, when they came at so many a day. */
export function growth(measured: Measured, shape: Shape, messages: number, perDay: number): Growth {
  const cost = meanCost(measured, shape)
  const inboxRows = Math.min(messages, perDay * INBOX_DAYS) * (1 - shape.answers)
  const eventRows = Math.max(
    Math.min(messages * cost.events, 1_000_000),
    Math.min(messages, perDay * EVENT_DAYS) * cost.events,
  )
  const swept = inboxRows * measured.inboxRow + eventRows * measured.eventRow
  const kept = keptBytes(measured, shape)
  const idIndex = messages * measured.randomIdIndexRow
  const month = Math.min(messages, perDay * 30)
  // What is worked on: a week of messages and conversations, and the inbox's index, which is entered at random as well.
  const recent =
    Math.min(messages, perDay * HOT_DAYS) * (kept - measured.randomIdIndexRow) + inboxRows * measured.randomIdIndexRow
  return {
    messages,
    keptGb: (messages * kept) / GB,
    sweptGb: swept / GB,
    hotGb: (recent + idIndex) / GB,
    hotPartitionedGb: (recent + Math.min(messages, 2 * month) * measured.randomIdIndexRow) / GB,
    idIndexGb: idIndex / GB,
    walGbPerDay: (perDay * cost.walBytes) / GB,
    freezeDays: 200e6 / (perDay * cost.transactions),
  }
}

/** Messages from which one index over all external ids takes more than a quarter of the memory: partitions before that. */
export function partitionFrom(measured: Measured, ramGb: number): number {
  return (ramGb * GB) / 4 / measured.randomIdIndexRow
}

export interface Desk {
  readonly agents: number
  readonly messagesPerS: number
  readonly memoryMb: number
  /** Cores of engine threads: sockets at rest, frames, messages. */
  readonly engineCores: number
  readonly postgresCores: number
  /** NOTIFYs a second for typing and viewing. */
  readonly hintsPerS: number
  readonly nodes: number
  readonly bus: boolean
}

/** Nodes for so many agents at their desks: by memory (half of a node's limit is for sockets) and by the engine's thread. */
export function desk(measured: Measured, shape: Shape, agents: number, nodeLimitMb: number): Desk {
  const cost = meanCost(measured, shape)
  const messagesPerS = (agents * shape.messagesPerAgentHour) / 3_600
  const memoryMb = (agents * measured.socketKb) / 1_024
  const engineCores =
    (agents * measured.socketMsPerS +
      messagesPerS * (cost.engineMs + cost.events * shape.watchers * measured.frameMs) +
      agents * shape.hintsPerAgentS * shape.watchers * measured.frameMs) /
    1_000
  const hintsPerS = agents * shape.hintsPerAgentS
  const nodes = Math.max(1, Math.ceil(memoryMb / (nodeLimitMb / 2)), Math.ceil(engineCores / shape.headroom))
  return {
    agents,
    messagesPerS,
    memoryMb,
    engineCores,
    postgresCores: (messagesPerS * cost.postgresMs) / 1_000,
    hintsPerS,
    nodes,
    bus: hintsPerS > measured.notifyPerS.many * shape.headroom,
  }
}
