import tap, { test, type Test } from 'tap'
import { startAgent } from './support/agent.js'
import { startEngineProcess, type EngineProcess } from './support/engine.js'
import { eventually } from './support/eventually.js'
import { startLoad, type Delivery } from './support/generator.js'
import { rowsOf, undone } from './support/ledger.js'
import { startNats, withoutNats, type NatsServer } from './support/nats-server.js'
import { freshDatabaseUrl } from './support/postgres.js'
import { signStandard } from './support/signatures.js'
import { configWith } from './support/workplace.js'

tap.setTimeout(240_000)

const secret = 'the-secret-of-the-api-channel'

interface Nodes {
  readonly nats: NatsServer
  readonly databaseUrl: string
  readonly a: EngineProcess
  readonly b: EngineProcess
}

async function twoNodes(t: Test): Promise<Nodes> {
  const nats = await startNats(t)
  const databaseUrl = await freshDatabaseUrl(t)
  const config = configWith({
    channels: {
      api: { use: 'channel-http', kind: 'messaging', config: { secret, deliverUrl: 'http://127.0.0.1:9/' } },
    },
    bus: { use: 'bus-nats', config: { servers: nats.url, subject: 'shop' } },
  })
  const a = await startEngineProcess(t, { config, databaseUrl })
  const b = await startEngineProcess(t, { config, databaseUrl })
  return { nats, databaseUrl, a, b }
}

function delivery(engine: EngineProcess, room: string, n: number, more: object = {}): Delivery {
  const id = `${room}-${n}`
  const event = { id, type: 'message', thread: { id: room }, sender: { id: `user-${room}` }, text: `${n}`, ...more }
  return {
    lane: room,
    id,
    url: `${engine.url}/channels/api/webhook`,
    body: JSON.stringify({ events: [event] }),
    sign: (body) => signStandard(body, secret),
  }
}

const busState = async (agent: { get(path: string): Promise<any> }): Promise<string> => {
  const { items } = (await agent.get('/v1/admin/plugins')) as { items: { id: string; state: string }[] }
  return items.find((one) => one.id === 'bus')?.state ?? 'none'
}

test(
  'with a bus, nodes wake each other over it and leave LISTEN and NOTIFY alone',
  { skip: withoutNats },
  async (t) => {
    const { nats, databaseUrl, a, b } = await twoNodes(t)
    const agent = await startAgent(t, b)
    await eventually('the bus to run', async () => (await busState(agent)) === 'running')
    const said = await nats.overhear('shop')
    await startLoad([[delivery(a, 'room', 1)]], 1).done
    await agent.event('the message at node B', (event) => event.t === 'message.inbound')
    await eventually('a hint about events', () => said.text().includes('"topic":"events"'))
    t.notMatch(said.text(), /user-room/, 'no customer on the bus')

    // Typing has no other way from node to node than this one.
    let n = 100
    await eventually('the typing sign at node B', async () => {
      n += 1
      await startLoad([[delivery(a, 'room', n, { type: 'typing', on: true, text: undefined })]], 1).done
      return agent.events.some((event) => event.t === 'customer.typing')
    })
    const listening = await rowsOf<{ query: string }>(
      databaseUrl,
      `select query from pg_stat_activity where datname = current_database() and application_name like 'throughline-listen%'`,
    )
    t.same(listening, [], 'no connection that listens')
  },
)

test(
  'losing the bus under traffic costs latency only: nothing is lost, doubled or out of order',
  { skip: withoutNats },
  async (t) => {
    const { nats, databaseUrl, a, b } = await twoNodes(t)
    const agent = await startAgent(t, b)
    await eventually('the bus to run', async () => (await busState(agent)) === 'running')
    const rooms = Array.from({ length: 20 }, (_, i) => `room-${i}`)
    const lanes = rooms.map((room, i) => Array.from({ length: 30 }, (_, n) => delivery(i % 2 ? a : b, room, n)))
    const load = startLoad(lanes, 10)
    t.teardown(() => load.stop())
    load.done.catch(() => undefined)
    await eventually('100 acknowledgements', () => load.answered() >= 100)
    await nats.kill()
    await eventually('300 acknowledgements without a bus', () => load.answered() >= 300)
    await eventually('the bus to be shown as degraded', async () => (await busState(agent)) === 'degraded')
    // Polling does not carry what is never stored: LISTEN and NOTIFY do, until the bus is back.
    let signs = 1000
    await eventually('a typing sign from node to node without the bus', async () => {
      signs += 1
      await startLoad([[delivery(a, 'room-0', signs, { type: 'typing', on: true, text: undefined })]], 1).done
      return agent.events.some((event) => event.t === 'customer.typing')
    })
    const without = agent.events.length
    await load.done
    await eventually('an empty inbox', async () => (await undone(databaseUrl)) === 0, { patienceMs: 90_000 })
    const inbound = () => agent.events.filter((event) => event.t === 'message.inbound')
    await eventually('all messages at the agent, by polling', () => inbound().length >= 600, {
      patienceMs: 60_000,
      tell: () => `${inbound().length} of 600, ${without} events when the bus was gone`,
    })
    t.equal(inbound().length, 600, 'each once')
    const positions = agent.events.flatMap((event) => event.position ?? [])
    t.same(
      positions,
      [...positions].sort((x, y) => x - y),
      'in the order of the log',
    )
    const rows = await rowsOf<{ id: string }>(
      databaseUrl,
      `select m.external_id as id from event_log e join message m on m.id = (e.data ->> 'messageId')::uuid
     where e.type = 'message.inbound' order by e.position`,
    )
    for (const room of rooms) {
      const numbers = rows.filter(({ id }) => id.startsWith(`${room}-`)).map(({ id }) => Number(id.split('-').at(-1)))
      t.same(numbers, [...numbers.keys()], `${room} in order`)
      t.equal(numbers.length, 30, `${room} complete`)
    }
  },
)

test('an engine whose bus is not there starts, works and says so', { skip: withoutNats }, async (t) => {
  const nats = await startNats(t)
  await nats.kill()
  const config = configWith({
    channels: {
      api: { use: 'channel-http', kind: 'messaging', config: { secret, deliverUrl: 'http://127.0.0.1:9/' } },
    },
    bus: { use: 'bus-nats', config: { servers: nats.url } },
  })
  const engine = await startEngineProcess(t, { config, databaseUrl: await freshDatabaseUrl(t) })
  const agent = await startAgent(t, engine)
  await startLoad([[delivery(engine, 'room', 1)]], 1).done
  await agent.event('the message', (event) => event.t === 'message.inbound')
  t.equal(await busState(agent), 'degraded')
})
