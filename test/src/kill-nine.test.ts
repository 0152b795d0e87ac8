import tap, { test } from 'tap'
import { startEngineProcess } from './support/engine.js'
import { eventually } from './support/eventually.js'
import { freePort } from './support/free-port.js'
import { startLoad, type Delivery } from './support/generator.js'
import { rowsOf, undone } from './support/ledger.js'
import { freshDatabaseUrl } from './support/postgres.js'
import { fakeGraph, fakeProvider, whatsAppText } from './support/providers.js'
import { signMeta, signStandard } from './support/signatures.js'
import { configWith, makeWorkplace } from './support/workplace.js'

tap.setTimeout(240_000)

const LANES = 100
const A_LANE = 20
const WIDTH = 20
/** The engine dies when so many webhooks have been acknowledged. */
const KILLS = [300, 700, 1100, 1500, 1900]

const apiSecret = 'the-secret-of-the-api-channel'
const metaSecret = 'the-app-secret-of-meta'
const phoneNumberId = '4711'
const start = Date.now() - 3_600_000

/** Message `n` of a lane; half of the lanes write over WhatsApp, half over signed JSON. Its time grows with `n`. */
function deliveryOf(url: string, lane: number, n: number): Delivery {
  const at = start + n * 60_000
  const text = `message ${n} of lane ${lane}`
  if (lane % 2 === 0) {
    const id = `lane-${lane}-${n}`
    const event = { id, type: 'message', at, thread: { id: `room-${lane}` }, sender: { id: `user-${lane}` }, text }
    return {
      lane: `api/${lane}`,
      id,
      url: `${url}/channels/api/webhook`,
      body: JSON.stringify({ events: [event] }),
      sign: (body) => signStandard(body, apiSecret),
    }
  }
  const id = `wamid.lane-${lane}-${n}`
  return {
    lane: `whatsapp/${lane}`,
    id,
    url: `${url}/channels/whatsapp/webhook`,
    body: JSON.stringify(whatsAppText({ phoneNumberId, from: `49151555${1000 + lane}`, id, text, at })),
    sign: (body) => signMeta(body, metaSecret),
  }
}

/** 20 messages in the order of sending: one in twenty comes before its predecessor, one in ten comes twice. */
function laneOf(url: string, lane: number): Delivery[] {
  const numbers = Array.from({ length: A_LANE }, (_, n) => n)
  const early = 1 + (lane % (A_LANE - 1))
  numbers.splice(early - 1, 2, early, early - 1)
  const deliveries = numbers.map((n) => deliveryOf(url, lane, n))
  const again = (n: number): Delivery => deliveries[n] as Delivery
  // Once right after itself, once when the lane has moved on.
  deliveries.splice(6, 0, again(5))
  deliveries.splice(16, 0, again(3))
  return deliveries
}

test('2,000 signed webhooks and five times kill -9: what was acknowledged is in the timeline once, in order', async (t) => {
  const databaseUrl = await freshDatabaseUrl(t)
  const graph = await fakeGraph(t)
  const system = await fakeProvider(t, () => ({ status: 200, body: {} }))
  const workplace = await makeWorkplace(
    configWith({
      channels: {
        api: {
          use: 'channel-http',
          kind: 'messaging',
          config: { secret: apiSecret, deliverUrl: `${system.url}/deliver` },
        },
        whatsapp: {
          use: 'channel-whatsapp',
          kind: 'messaging',
          config: {
            phoneNumberId,
            accessToken: 'token',
            appSecret: metaSecret,
            verifyToken: 'verify',
            apiBase: `${graph.url}/v25.0`,
          },
        },
      },
    }),
  )
  t.teardown(() => workplace.remove())
  const port = await freePort()
  const run = () => startEngineProcess(t, { workplace, port, databaseUrl })
  let engine = await run()

  const lanes = Array.from({ length: LANES }, (_, lane) => laneOf(engine.url, lane))
  const load = startLoad(lanes, WIDTH)
  let failed: unknown
  load.done.catch((error: unknown) => (failed = error))
  for (const [n, threshold] of KILLS.entries()) {
    await eventually(`acknowledgement ${threshold}`, () => failed !== undefined || load.answered() >= threshold, {
      patienceMs: 60_000,
      tell: () => `${load.answered()} acknowledged, ${load.retried()} retried\n${engine.output().slice(-3000)}`,
    })
    if (failed !== undefined) break
    await engine.kill9()
    t.same(await engine.ended, { code: null, signal: 'SIGKILL' }, `killed ${n + 1} times`)
    engine = await run()
  }
  await load.done
  await eventually('everything drained and in the log', async () => (await undone(databaseUrl)) === 0, {
    patienceMs: 90_000,
    tell: () => engine.output().slice(-3000),
  })

  const wanted = lanes.flatMap((lane) => lane.map(({ id }) => id))
  t.equal(load.answered(), 2200, '2,000 messages and 200 redeliveries were acknowledged')
  t.equal(new Set(wanted).size, 2000)
  t.ok(load.retried() > 0, 'the generator met a dead engine')

  const parked = await rowsOf(databaseUrl, `select external_id, code, reason from inbox where state = 'parked'`)
  t.same(parked, [], 'nothing is parked')
  const stored = await rowsOf<{ id: string; conversation: string }>(
    databaseUrl,
    `select external_id as id, conversation_id as conversation from message where direction = 'in'
     order by conversation_id, provider_at, id`,
  )
  t.equal(stored.length, 2000, 'each message once in the timeline')
  t.same(new Set(stored.map(({ id }) => id)), new Set(wanted), 'none lost, none invented')
  t.equal(new Set(stored.map(({ conversation }) => conversation)).size, LANES, 'one conversation a lane')

  // The log tells in which order messages were applied; the timeline shows them by the time they were written.
  const logged = await rowsOf<{ id: string }>(
    databaseUrl,
    `select m.external_id as id from event_log e join message m on m.id = (e.data ->> 'messageId')::uuid
     where e.type = 'message.inbound' order by e.position`,
  )
  t.equal(logged.length, 2000, 'each message once in the event log')
  const place = new Map(logged.map(({ id }, index) => [id, index]))
  let inversions = 0
  for (const ids of load.acknowledged.values()) {
    for (let i = 1; i < ids.length; i++) {
      if ((place.get(ids[i] ?? '') ?? -1) < (place.get(ids[i - 1] ?? '') ?? -1)) inversions++
    }
  }
  t.equal(inversions, 0, 'each lane was applied in the order of its acknowledgements')
  const outOfTime = stored.filter(({ id, conversation }, i) => {
    const before = stored[i - 1]
    return before?.conversation === conversation && numberOf(before.id) + 1 !== numberOf(id)
  })
  t.same(outOfTime, [], 'each timeline is in the order of writing, late ones put in their place')
  const [positions] = await rowsOf<{ n: string; first: string; last: string }>(
    databaseUrl,
    'select count(*) as n, min(position) as first, max(position) as last from event_log',
  )
  t.equal(Number(positions?.last) - Number(positions?.first) + 1, Number(positions?.n), 'the log has no gap')
  t.comment(`${load.retried()} requests were sent again because the engine was away`)
})

function numberOf(id: string): number {
  return Number(id.slice(id.lastIndexOf('-') + 1))
}
