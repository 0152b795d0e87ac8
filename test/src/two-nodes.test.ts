import tap, { test, type Test } from 'tap'
import { startAgent } from './support/agent.js'
import { startEngineProcess, type EngineProcess } from './support/engine.js'
import { eventually } from './support/eventually.js'
import { startLoad, type Delivery } from './support/generator.js'
import { rowsOf, undone } from './support/ledger.js'
import { freshDatabaseUrl } from './support/postgres.js'
import { fakeProvider, type FakeProvider } from './support/providers.js'
import { signStandard } from './support/signatures.js'
import { configWith } from './support/workplace.js'

tap.setTimeout(240_000)

const secret = 'the-secret-of-the-api-channel'

interface TwoNodes {
  readonly databaseUrl: string
  readonly a: EngineProcess
  readonly b: EngineProcess
  readonly system: FakeProvider
}

async function twoNodes(t: Test): Promise<TwoNodes> {
  const databaseUrl = await freshDatabaseUrl(t)
  const system = await fakeProvider(t, () => ({ status: 200, body: {} }))
  const config = configWith({
    channels: {
      api: { use: 'channel-http', kind: 'messaging', config: { secret, deliverUrl: `${system.url}/deliver` } },
    },
  })
  const a = await startEngineProcess(t, { config, databaseUrl })
  const b = await startEngineProcess(t, { config, databaseUrl })
  return { databaseUrl, a, b, system }
}

function delivery(engine: EngineProcess, room: string, n: number): Delivery {
  const id = `${room}-${n}`
  const event = { id, type: 'message', thread: { id: room }, sender: { id: `user-${room}` }, text: `${n} in ${room}` }
  return {
    lane: room,
    id,
    url: `${engine.url}/channels/api/webhook`,
    body: JSON.stringify({ events: [event] }),
    sign: (body) => signStandard(body, secret),
  }
}

test('an agent at node B gets what arrived at node A, and the answer leaves', async (t) => {
  const { a, b, system } = await twoNodes(t)
  const agent = await startAgent(t, b)
  await startLoad([[delivery(a, 'room', 1)]], 1).done
  const inbound = await agent.event('the message at node B', (event) => event.t === 'message.inbound')
  const offer = await agent.event('the offer at node B', (event) => event.t === 'offer.created')
  t.equal(offer.d.conversation, inbound.d.conversation)
  await agent.command('offer.accept', { offerId: offer.d.offerId })
  await agent.command('message.send', { conversation: inbound.d.conversation, body: 'hello from the other node' })
  const call = await eventually('the answer at the other system', () => system.calls[0])
  t.match(call.body, { type: 'message.send', data: { thread: { id: 'room' }, text: 'hello from the other node' } })
  await agent.event('the receipt', (event) => event.t === 'message.sent')
  t.equal(system.calls.length, 1, 'sent once, although two nodes could have')
})

test('what a killed node had taken in is worked on by the other one, once and in order', async (t) => {
  const { databaseUrl, a, b } = await twoNodes(t)
  const agent = await startAgent(t, b)
  const rooms = Array.from({ length: 40 }, (_, i) => `room-${i}`)
  const lanes = rooms.map((room) => Array.from({ length: 10 }, (_, n) => delivery(a, room, n)))
  const load = startLoad(lanes, 20)
  // Without its node the rest of the load would never be acknowledged: it goes on at the other one.
  const firstHalf = eventually('the first 200 acknowledgements', () => load.answered() >= 200)
  await firstHalf
  await a.kill9()
  const toB = lanes.map((lane) => lane.map((one) => ({ ...one, url: one.url.replace(a.url, b.url) })))
  load.stop()
  await load.done.catch(() => undefined)
  const acknowledgedAtA = [...load.acknowledged.values()].flat()
  t.ok(acknowledgedAtA.length >= 200)

  const rest = toB.map((lane) => lane.filter(({ id }) => !acknowledgedAtA.includes(id)))
  await startLoad(rest, 20).done
  await eventually('an empty inbox', async () => (await undone(databaseUrl)) === 0, {
    patienceMs: 90_000,
    tell: () => b.output().slice(-3000),
  })
  const rows = await rowsOf<{ id: string }>(
    databaseUrl,
    `select m.external_id as id from event_log e join message m on m.id = (e.data ->> 'messageId')::uuid
     where e.type = 'message.inbound' order by e.position`,
  )
  t.equal(rows.length, 400, 'each message once')
  for (const room of rooms) {
    const numbers = rows.filter(({ id }) => id.startsWith(`${room}-`)).map(({ id }) => Number(id.split('-').at(-1)))
    t.same(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], `${room} in order`)
  }
  const arrived = await eventually('all of them at the socket of node B', () => {
    const got = agent.events.filter((event) => event.t === 'message.inbound')
    return got.length >= 400 && got
  })
  t.equal(new Set(arrived.map((event) => event.d.messageId)).size, 400)
  t.equal(arrived.length, 400, 'each of them once')
})

test('an agent whose node dies and comes back has missed nothing and sees nothing twice', async (t) => {
  const { databaseUrl, a, b } = await twoNodes(t)
  const agent = await startAgent(t, b)
  const lane = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => delivery(a, 'room', from + i))
  const arrived = (count: number) =>
    eventually(
      `${count} messages at the agent`,
      () => {
        const got = agent.events.filter((event) => event.t === 'message.inbound')
        return got.length >= count && got
      },
      { patienceMs: 75_000, tell: () => agent.states.join(', ') },
    )
  await startLoad([lane(0, 20)], 1).done
  await arrived(20)
  await b.kill9()
  await startLoad([lane(20, 60)], 1).done
  await startEngineProcess(t, { workplace: b.workplace, port: b.port, databaseUrl })
  await startLoad([lane(60, 80)], 1).done

  const got = await arrived(80)
  const rows = await rowsOf<{ id: string; n: string }>(
    databaseUrl,
    `select id, external_id as n from message where direction = 'in'`,
  )
  const numbers = new Map(rows.map(({ id, n }) => [id, Number(n.split('-').at(-1))]))
  t.same(
    got.map((event) => numbers.get(event.d.messageId as string)),
    Array.from({ length: 80 }, (_, n) => n),
    'each of them once, in order',
  )
  t.equal(agent.states.filter((state) => state === 'live').length, 2, 'one cut, one resumption')
})
