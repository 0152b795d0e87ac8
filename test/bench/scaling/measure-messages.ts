import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { startEngineProcess, type EngineProcess } from '../../src/support/engine.js'
import { configWith } from '../../src/support/workplace.js'
import { query } from '../database.js'
import { channel, secret, subscribe } from '../engine.js'
import { createFlow } from '../flow.js'
import { usage, type Scope } from '../scope.js'
import type { Bytes, Cost, Measured } from './measured.js'
import { postgresUsage, tableSizes, type TableSize } from './postgres-usage.js'

const CONNECTIONS = 128
const ROUND = 20_000
/** Messages a conversation: the mean over chats, messengers and mail; the model can ask for another one. */
const EACH = 10

type MessageFigures = Pick<
  Measured,
  | 'messages'
  | 'conversations'
  | 'answers'
  | 'messagesPerS'
  | 'answersPerS'
  | 'inbound'
  | 'answer'
  | 'bytesPerMessage'
  | 'bytesPerConversation'
  | 'bytesPerContact'
  | 'bytesPerAnswer'
  | 'externalIdIndexRow'
  | 'inboxRow'
  | 'eventRow'
  | 'updatesInPlace'
  | 'connectionsIdle'
  | 'connectionsLoaded'
  | 'nodeMb'
  | 'loadedNodeMb'
>

/** Signed webhooks and agents' answers through a whole engine; what is left in the database, and what it cost. */
export async function measureMessages(
  scope: Scope,
  url: string,
  messages: number,
  answers: number,
): Promise<MessageFigures> {
  const config = configWith({
    channels: {
      [channel]: { use: 'channel-http', kind: 'messaging', config: { secret, deliverUrl: await network(scope) } },
    },
  })
  const engine = await startEngineProcess(scope, { config, databaseUrl: url })
  const empty = await tableSizes(url)
  await delay(5_000)
  const connectionsIdle = await connections(url)
  const nodeMb = (await usage(engine.pid)).rssMb
  const listener = await subscribe(scope, engine)
  const flow = createFlow(engine, listener, messages / EACH, CONNECTIONS)
  const watch = await costs(engine, url)
  let seconds = 0
  let loadedNodeMb = 0
  let connectionsLoaded = 0
  while (flow.sent() < messages) {
    const round = flow.round(Math.min(ROUND, messages - flow.sent()))
    await delay(2_000)
    connectionsLoaded = Math.max(connectionsLoaded, await connections(url))
    const { rate, rssMb } = await round
    seconds += Math.min(ROUND, messages) / rate
    loadedNodeMb = Math.max(loadedNodeMb, rssMb)
  }
  const inbound = await watch(messages)
  // Indexes grow in place; what the visibility map and the statistics need is made before sizes are read.
  await query(url, 'vacuum analyze')
  const full = await tableSizes(url)
  const watchAnswers = await costs(engine, url)
  const from = performance.now()
  await answerAll(engine, listener.token, url, answers)
  const answersPerS = (answers * 1000) / (performance.now() - from)
  const answer = await watchAnswers(answers)
  const answered = await tableSizes(url)
  const conversations = rowsOf(full, 'conversation')
  const grown = (names: readonly string[], by: number, to = full, from = empty): Bytes[] =>
    names.map((table) => growth(table, to, from, by)).filter((one) => one.heap + one.index > 0)
  const [hot] = await query(
    url,
    `select (n_tup_hot_upd::float8 / nullif(n_tup_upd, 0)) as share from pg_stat_user_tables where relname = 'conversation'`,
  )
  return {
    messages,
    conversations,
    answers,
    messagesPerS: messages / seconds,
    answersPerS,
    inbound,
    answer,
    bytesPerMessage: grown(perMessage, messages),
    bytesPerConversation: grown(perConversation, conversations),
    bytesPerContact: grown(perContact, rowsOf(full, 'contact')),
    bytesPerAnswer: grown([...perMessage, 'send'], answers, answered, full),
    externalIdIndexRow: (find(full, 'message').indexes['message_external'] ?? 0) / messages,
    inboxRow: rowBytes(full, 'inbox'),
    eventRow: rowBytes(full, 'event_log'),
    updatesInPlace: Number(hot?.['share']),
    connectionsIdle,
    connectionsLoaded,
    nodeMb,
    loadedNodeMb,
  }
}

const perMessage = ['message', 'attachment']
const perContact = ['contact', 'identifier']
const perConversation = [
  'conversation', 'touchpoint', 'work_item', 'offer', 'routing_decision', 'sla_clock', 'sla_conversation',
] // prettier-ignore

/** A network on this host that takes every answer at once. */
async function network(scope: Scope): Promise<string> {
  let count = 0
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end(JSON.stringify({ id: `p-${++count}` })))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  scope.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

/** One answer to each of so many conversations, as an agent's tool gives it; waits until the network has all of them. */
async function answerAll(engine: EngineProcess, token: string, url: string, count: number): Promise<void> {
  const ids = (await query(url, `select id from conversation order by id limit ${count}`)).map((row) =>
    String(row['id']),
  )
  const left = [...ids.entries()]
  const one = async (): Promise<void> => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const response = await fetch(`${engine.url}/v1/conversations/${next[1]}/messages`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${token}`,
          'idempotency-key': `scaling-${next[0]}`,
        },
        body: JSON.stringify({
          body: 'It left our house this morning and should be with you by Thursday. Sorry for the wait!',
        }),
      })
      if (!response.ok) throw new Error(`an answer was refused: ${response.status} ${await response.text()}`)
    }
  }
  await Promise.all(Array.from({ length: 8 }, one))
  for (let tries = 0; ; tries++) {
    const [row] = await query(url, `select count(*)::int as open from send where state in ('queued', 'sending')`)
    if (Number(row?.['open']) === 0) return
    if (tries > 1_200) throw new Error(`${String(row?.['open'])} answers are still on their way`)
    await delay(100)
  }
}

async function costs(engine: EngineProcess, url: string): Promise<(count: number) => Promise<Cost>> {
  const look = async () => ({
    engine: (await usage(engine.pid)).cpuS,
    server: await postgresUsage(url),
    events: Number((await query(url, 'select position from event_head'))[0]?.['position']),
  })
  const before = await look()
  return async (count) => {
    // What is done a moment later belongs to it too.
    await delay(2_000)
    const after = await look()
    return {
      engineMs: ((after.engine - before.engine) * 1000) / count,
      postgresMs: ((after.server.cpuS - before.server.cpuS) * 1000) / count,
      walBytes: (after.server.walBytes - before.server.walBytes) / count,
      transactions: (after.server.transactions - before.server.transactions) / count,
      events: (after.events - before.events) / count,
    }
  }
}

async function connections(url: string): Promise<number> {
  const rows = await query(
    url,
    'select count(*)::int as n from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
  )
  return Number(rows[0]?.['n'])
}

function find(sizes: readonly TableSize[], table: string): TableSize {
  return sizes.find((one) => one.table === table) ?? { table, rows: 0, bytes: 0, indexes: {} }
}

const rowsOf = (sizes: readonly TableSize[], table: string): number => find(sizes, table).rows
const indexBytes = (size: TableSize): number => Object.values(size.indexes).reduce((sum, bytes) => sum + bytes, 0)

function rowBytes(sizes: readonly TableSize[], table: string): number {
  const size = find(sizes, table)
  return (size.bytes + indexBytes(size)) / Math.max(1, size.rows)
}

function growth(table: string, to: readonly TableSize[], from: readonly TableSize[], by: number): Bytes {
  const [now, then] = [find(to, table), find(from, table)]
  return { table, heap: (now.bytes - then.bytes) / by, index: (indexBytes(now) - indexBytes(then)) / by }
}
