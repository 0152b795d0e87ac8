import { test } from 'tap'
import type { Measured } from '../bench/scaling/measured.js'
import {
  desk,
  growth,
  keptBytes,
  limits,
  meanCost,
  partitionFrom,
  usualShape,
  type Site,
} from '../bench/scaling/model.js'
import { measuredOn, readPage, renderPage } from '../bench/scaling/page.js'

const GB = 1024 ** 3
const half = { ...usualShape, answers: 0.5, busiestHour: 0.1, headroom: 0.5, watchers: 0 }
const site: Site = { nodes: 2, postgresCores: 4, ramGb: 16, maxConnections: 100, walMbPerS: 100 }

/** Round figures, so that results can be worked out on paper. */
const measured: Measured = {
  machine: { cores: 2, load: 0, node: 'v20', postgres: '18' },
  messages: 100,
  conversations: 10,
  answers: 10,
  messagesPerS: 1_000,
  answersPerS: 100,
  inbound: { engineMs: 1, postgresMs: 1, walBytes: 4_000, transactions: 0.1, events: 1 },
  answer: { engineMs: 3, postgresMs: 7, walBytes: 8_000, transactions: 3.9, events: 3 },
  bytesPerMessage: [{ table: 'message', heap: 300, index: 100 }],
  bytesPerConversation: [{ table: 'conversation', heap: 2_000, index: 1_000 }],
  bytesPerContact: [{ table: 'contact', heap: 600, index: 300 }],
  bytesPerAnswer: [{ table: 'send', heap: 1_000, index: 200 }],
  externalIdIndexRow: 50,
  inboxRow: 1_000,
  eventRow: 500,
  randomIdIndexRow: 100,
  updatesInPlace: 0.7,
  connectionsIdle: 10,
  connectionsLoaded: 15,
  nodeMb: 150,
  loadedNodeMb: 300,
  socketKb: 64,
  socketMsPerS: 0.1,
  frameMs: 0.01,
  sequencedPerS: { steady: 50_000, behind: 5_000 },
  notifyPerS: { few: 10_000, many: 2_000 },
  sweep: { inboxRowsPerS: 100_000, eventRowsPerS: 100_000, idleMs: 10, idleRows: 1_000 },
}

test('the mean message is so much customer and so much answer', async (t) => {
  t.same(meanCost(measured, half), { engineMs: 2, postgresMs: 4, walBytes: 6_000, transactions: 2, events: 2 })
  t.same(meanCost(measured, { ...half, answers: 0 }), measured.inbound)
})

test('limits are messages a day, what saturates first in front', async (t) => {
  const all = limits(measured, half, { ...site, nodes: 2 })
  t.same(
    all.map(({ what }) => what),
    ['inbox retention', 'engine', 'PostgreSQL', 'log on disk', 'sequencer'].sort(
      (a, b) =>
        (all.find(({ what }) => what === a)?.messagesPerDay ?? 0) -
        (all.find(({ what }) => what === b)?.messagesPerDay ?? 0),
    ),
    'each once, without connections as these suffice',
  )
  const of = (what: string) => all.find((one) => one.what === what)?.messagesPerDay
  // Two nodes: 1,000 messages a second at 2 ms each, half of it, 3,600 s, a tenth of the day.
  t.equal(of('engine'), 1_000 * 0.5 * 36_000)
  t.equal(of('PostgreSQL'), 1_000 * 0.5 * 36_000)
  t.equal(of('sequencer'), 25_000 * 0.5 * 36_000)
  t.equal(of('inbox retention'), 2 * 86_400 * 100_000)
  t.equal(all[0]?.what, 'engine')
})

test('more nodes than there are connections for are no nodes', async (t) => {
  const all = limits(measured, half, { ...site, nodes: 20 })
  const connections = all.find(({ what }) => what === 'connections')
  // (100 - 10) / 15 = 6 nodes.
  t.equal(connections?.messagesPerDay, 3_000 * 0.5 * 36_000)
})

test('frames to agents count as work of the engine', async (t) => {
  const quiet = limits(measured, half, site).find(({ what }) => what === 'engine')
  const seen = limits(measured, { ...half, watchers: 100 }, site).find(({ what }) => what === 'engine')
  // 2 events × 100 sockets × 0.01 ms = 2 ms more on top of 2 ms.
  t.equal(seen?.messagesPerDay, (quiet?.messagesPerDay ?? 0) / 2)
})

test('what a message leaves for ever includes its share of conversation and contact, and ids as networks make them', async (t) => {
  // (400 + 100 - 50) / 2 + (1,200 + 100) / 2 + (3,000 + 900 / 3) / 10
  t.equal(keptBytes(measured, half), 225 + 650 + 330)
})

test('kept data grows with messages; swept data, log and freezing with messages a day', async (t) => {
  const small = growth(measured, half, 1e7, 1e5)
  const large = growth(measured, half, 1e8, 1e5)
  t.equal(Math.round(large.keptGb / small.keptGb), 10)
  t.equal(large.sweptGb, small.sweptGb)
  t.equal(large.walGbPerDay, (1e5 * 6_000) / GB)
  t.equal(large.freezeDays, 200e6 / 2e5)
})

test('partitions keep the hot part from growing with what is stored', async (t) => {
  const small = growth(measured, half, 1e8, 1e5)
  const large = growth(measured, half, 1e9, 1e5)
  t.equal(large.hotPartitionedGb, small.hotPartitionedGb)
  t.ok(large.hotGb > 2 * small.hotGb)
  t.equal(large.hotGb - large.hotPartitionedGb, ((1e9 - 6e6) * 100) / GB)
})

test('the table is partitioned before its index takes a quarter of the memory', async (t) => {
  t.equal(partitionFrom(measured, 4), GB / 100)
})

test('nodes for agents go by memory or by the thread, and hints ask for a bus', async (t) => {
  const few = desk(measured, usualShape, 10, 768)
  t.match(few, { nodes: 1, bus: false })
  // 12,000 sockets of 64 kB are 750 MB, 384 MB a node.
  const many = desk(
    { ...measured, socketMsPerS: 0 },
    { ...usualShape, hintsPerAgentS: 0, messagesPerAgentHour: 0 },
    12_000,
    768,
  )
  t.match(many, { nodes: 2, memoryMb: 750, bus: false })
  t.ok(desk(measured, usualShape, 12_001, 768).bus, '1,200 hints a second are more than 60 % of 2,000')
})

test('the tables of docs/scaling.md are what the model makes of the figures on that page', async (t) => {
  const page = await readPage()
  t.equal(await renderPage(page, measuredOn(page)), page)
})
