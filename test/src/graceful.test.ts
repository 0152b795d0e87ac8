import tap, { test } from 'tap'
import { ticketFrom } from '@throughline/plugin-sdk/agent-client'
import { WebSocket } from 'ws'
import { tokenFor } from './support/agent.js'
import { embeddedPostgresPid, startEngineProcess } from './support/engine.js'
import { eventually } from './support/eventually.js'
import { startLoad, type Delivery } from './support/generator.js'
import { rowsOf } from './support/ledger.js'
import { freshDatabaseUrl } from './support/postgres.js'
import { signStandard } from './support/signatures.js'
import { configWith, makeWorkplace } from './support/workplace.js'
import { openChat } from './support/visitor.js'

tap.setTimeout(240_000)
/** What the issue promises, and what an orchestrator waits. */
const STOP_MS = 25_000
/** A dead node's work goes on within 45 s; some more, so that a busy machine does not decide. */
const TAKE_OVER_MS = 75_000

test('SIGTERM ends the engine within its time with 0 and sends its agents to come back', async (t) => {
  const engine = await startEngineProcess(t, { databaseUrl: await freshDatabaseUrl(t) })
  const visitor = await openChat(engine.url)
  await visitor.listen(t)
  const socket = new WebSocket(`${engine.url.replace('http', 'ws')}/v1/agent/ws`, 'agent.v1.json')
  t.teardown(() => socket.terminate())
  const frames: { t: string; d: any }[] = []
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as { t: string; d: any }))
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  const ticket = await ticketFrom(engine.url, await tokenFor(engine))
  socket.send(JSON.stringify({ t: 'hello', d: { ticket, client: { name: 'test', ver: '1' }, subs: { intents: [] } } }))
  await eventually('welcome', () => frames.find((frame) => frame.t === 'welcome'))

  const asked = performance.now()
  const ended = await engine.term()
  t.same(ended, { code: 0, signal: null })
  t.ok(performance.now() - asked <= STOP_MS, 'within 25 s')
  t.ok(
    frames.some((frame) => frame.t === 'reconnect'),
    `told to reconnect: ${frames.map((frame) => frame.t).join(' ')}`,
  )
  t.ok([1001, 1012, 4450].includes(await closed), `close code ${await closed}`)
  t.notMatch(engine.output(), /did not stop cleanly/)
})

test('what was acknowledged while the engine was stopping is stored', async (t) => {
  const databaseUrl = await freshDatabaseUrl(t)
  const secret = 'the-secret-of-the-api-channel'
  const deliverUrl = 'http://127.0.0.1:9/nobody'
  const config = configWith({
    channels: { api: { use: 'channel-http', kind: 'messaging', config: { secret, deliverUrl } } },
  })
  const engine = await startEngineProcess(t, { config, databaseUrl })
  const deliveryOf = (lane: number, n: number): Delivery => {
    const id = `${lane}-${n}`
    const event = { id, type: 'message', thread: { id: `room-${lane}` }, sender: { id: `user-${lane}` }, text: id }
    return {
      lane: String(lane),
      id,
      url: `${engine.url}/channels/api/webhook`,
      body: JSON.stringify({ events: [event] }),
      sign: (body) => signStandard(body, secret),
    }
  }
  const load = startLoad(
    Array.from({ length: 16 }, (_, lane) => Array.from({ length: 500 }, (_, n) => deliveryOf(lane, n))),
    16,
  )
  const over = load.done.catch(() => 'stopped')
  await eventually('the load to be under way', () => load.answered() >= 100)
  t.same(await engine.term(), { code: 0, signal: null })
  load.stop()
  t.equal(await over, 'stopped', 'it was stopped in the middle of the load')
  const acknowledged = [...load.acknowledged.values()].flat()
  const stored = await rowsOf<{ id: string }>(databaseUrl, 'select external_id as id from inbox')
  const ids = new Set(stored.map(({ id }) => id))
  t.same(
    acknowledged.filter((id) => !ids.has(id)),
    [],
    `all ${acknowledged.length} acknowledged events are in the database`,
  )
})

test('the embedded PostgreSQL survives stop, kill -9 of the engine, and kill -9 of both, with all that was said', async (t) => {
  const workplace = await makeWorkplace()
  t.teardown(() => workplace.remove())
  const run = () => startEngineProcess(t, { workplace })

  const first = await run()
  const visitor = await openChat(first.url)
  await visitor.say('one')
  await eventually('the first message', async () => (await visitor.messages()).length === 1)
  t.same(await first.term(), { code: 0, signal: null })
  t.equal(await embeddedPostgresPid(workplace.dir), null, 'the server stops with the engine')

  const second = await run()
  const later = await openChat(second.url)
  await later.say('two')
  await second.kill9()

  const third = await run()
  await openChat(third.url).then((chat) => chat.say('three'))
  const server = await embeddedPostgresPid(workplace.dir)
  t.ok(server !== null, 'it runs again')
  await third.kill9()
  if (server !== null) process.kill(server, 'SIGKILL')
  await eventually('the end of the server', async () => (await embeddedPostgresPid(workplace.dir)) === null)

  const fourth = await run()
  const token = await tokenFor(fourth)
  const look = async (): Promise<false | string[]> => {
    const list = async (path: string): Promise<any[]> => {
      const response = await fetch(`${fourth.url}${path}`, { headers: { authorization: `Bearer ${token}` } })
      return ((await response.json()) as { items: any[] }).items
    }
    const conversations = await list('/v1/conversations')
    const found = await Promise.all(conversations.map(({ id }) => list(`/v1/conversations/${id}/messages`)))
    const all = found.flat().map((message) => String(message.text))
    return all.length >= 3 && all
  }
  // What a killed engine had in hand is free again when its lease is over.
  const texts = await eventually('all three messages', look, { patienceMs: TAKE_OVER_MS })
  t.same(texts.sort(), ['one', 'three', 'two'], 'what was answered with 2xx is there')
  t.same(await fourth.term(), { code: 0, signal: null })
})
