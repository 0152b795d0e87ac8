import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import tap, { test } from 'tap'
import { tokenFor } from './support/agent.js'
import { throughline } from './support/cli.js'
import { startEngineProcess, type TestWithTeardown } from './support/engine.js'
import { eventually } from './support/eventually.js'
import { freePort } from './support/free-port.js'
import { startLoad, type Delivery } from './support/generator.js'
import { rowsOf, undone } from './support/ledger.js'
import { freshDatabaseUrl } from './support/postgres.js'
import { signStandard } from './support/signatures.js'
import { configWith, makeWorkplace } from './support/workplace.js'

tap.setTimeout(240_000)

const apiSecret = 'the-secret-of-the-api-channel'
const key = Buffer.from('the key that signs what goes out')
const env = { HOOK_SECRET: `whsec_${key.toString('base64')}` }

interface Call {
  readonly id: string
  readonly position: number
  readonly type: string
  readonly text: string
  readonly verified: boolean
}

/** A receiver that checks each signature by hand and leaves the calls in `mute` without an answer, for ever. */
async function receiver(t: TestWithTeardown) {
  const calls: Call[] = []
  const self = { url: '', calls, status: 204, mute: (_count: number): boolean => false }
  const onRequest = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    const id = String(request.headers['webhook-id'])
    const mac = createHmac('sha256', key).update(`${id}.${String(request.headers['webhook-timestamp'])}.${text}`)
    const verified = request.headers['webhook-signature'] === `v1,${mac.digest('base64')}`
    const { type, data } = JSON.parse(text) as { type: string; data: { position: number } }
    calls.push({ id, position: data.position, type, text, verified })
    if (!self.mute(calls.length)) response.writeHead(self.status).end()
  }
  const server = createServer((request, response) => {
    // A sender that was killed breaks off in the middle: that is what the test is about.
    onRequest(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  self.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  return self
}

const configFor = (url: string, more: object = {}) =>
  configWith({
    channels: { api: { use: 'channel-http', kind: 'messaging', config: { secret: apiSecret, deliverUrl: url } } },
    webhooks: { crm: { url, secrets: ['${HOOK_SECRET}'], events: ['message.inbound'], ...more } },
  })

function delivery(url: string, room: string, n: number): Delivery {
  const id = `${room}-${n}`
  const event = { id, type: 'message', thread: { id: room }, sender: { id: `user-${room}` }, text: `secret of ${id}` }
  return {
    lane: room,
    id,
    url: `${url}/channels/api/webhook`,
    body: JSON.stringify({ events: [event] }),
    sign: (body) => signStandard(body, apiSecret),
  }
}

test('two nodes, each killed once with a delivery in hand: nothing is lost, and what comes twice has the same id', async (t) => {
  const databaseUrl = await freshDatabaseUrl(t)
  const hook = await receiver(t)
  const workplace = await makeWorkplace(configFor(hook.url, { timeoutSeconds: 2, concurrency: 2 }))
  t.teardown(() => workplace.remove())
  const [portA, portB] = [await freePort(), await freePort()]
  const run = (port: number) => startEngineProcess(t, { workplace, port, databaseUrl, env })
  let a = await run(portA)
  let b = await run(portB)
  // Calls 60 and 160 stay without an answer: whoever sent them dies, or gives them up, not knowing that they arrived.
  hook.mute = (count) => count === 60 || count === 160
  const rooms = Array.from({ length: 20 }, (_, room) => room)
  const lanes = rooms.map((room) =>
    Array.from({ length: 15 }, (_, n) => delivery(room % 2 === 0 ? a.url : b.url, `room-${room}`, n)),
  )
  const load = startLoad(lanes, 10)
  let failed: unknown
  load.done.catch((error: unknown) => (failed = error))
  const arrived = (count: number) =>
    eventually(`delivery ${count}`, () => failed !== undefined || hook.calls.length >= count, {
      patienceMs: 90_000,
      tell: () => `${hook.calls.length} came\n${a.output().slice(-2000)}\n${b.output().slice(-2000)}`,
    })
  await arrived(60)
  await a.kill9()
  a = await run(portA)
  await arrived(160)
  await b.kill9()
  b = await run(portB)
  await load.done
  await eventually('everything drained and in the log', async () => (await undone(databaseUrl)) === 0, {
    patienceMs: 90_000,
  })
  const waiting = async (): Promise<number> => {
    const [row] = await rowsOf<{ n: string }>(
      databaseUrl,
      `select (select count(*) from webhook_delivery where state = 'pending') + h.position - w.position as n
       from webhook_endpoint w, event_head h`,
    )
    return Number(row?.n)
  }
  await eventually('everything delivered', async () => (await waiting()) === 0, {
    patienceMs: 120_000,
    tell: () => `${hook.calls.length} came\n${a.output().slice(-2000)}\n${b.output().slice(-2000)}`,
  })

  const logged = await rowsOf<{ position: string }>(
    databaseUrl,
    `select position from event_log where type = 'message.inbound' order by position`,
  )
  t.equal(logged.length, 300, 'each message is an event')
  const idOf = new Map(hook.calls.map((call) => [call.position, call.id]))
  t.same(
    [...idOf.keys()].sort((x, y) => x - y),
    logged.map((row) => Number(row.position)),
    'each event came, and no other',
  )
  t.equal(new Set(idOf.values()).size, 300, 'events have ids of their own')
  t.same(
    hook.calls.filter((call) => idOf.get(call.position) !== call.id),
    [],
    'whatever came twice came under the same id',
  )
  t.same(
    hook.calls.filter((call) => !call.verified),
    [],
    'every call is signed',
  )
  const doubled = hook.calls.length - 300
  t.ok(doubled >= 2, 'those that nobody had answered came again')
  const states = await rowsOf(databaseUrl, 'select distinct state from webhook_delivery')
  t.same(states, [{ state: 'delivered' }])
  t.comment(`${doubled} of 300 came twice`)
})

test('an admin sees receivers and deliveries, over REST and the command line, and sends again; others may not', async (t) => {
  const databaseUrl = await freshDatabaseUrl(t)
  const hook = await receiver(t)
  hook.status = 410
  const engine = await startEngineProcess(t, { config: configFor(hook.url), databaseUrl, env })
  const admin = await tokenFor(engine)
  const cli = (...args: string[]) =>
    throughline([...args, '--config', engine.workplace.configFile], {
      cwd: engine.workplace.dir,
      env: { ...env, PORT: String(engine.port), DATABASE_URL: databaseUrl },
    })
  const ask = async (token: string, method: string, path: string, body?: object) => {
    const response = await fetch(`${engine.url}/v1/admin/webhooks${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(15_000),
    })
    return { status: response.status, body: (await response.json()) as any }
  }

  await startLoad([[delivery(engine.url, 'room', 1)]], 1).done
  await eventually(
    'the end of the receiver',
    async () => (await ask(admin, 'GET', '')).body.items[0].state === 'disabled',
  )
  const { items } = (await ask(admin, 'GET', '')).body
  const host = new URL(hook.url).origin
  t.match(items, [{ id: 'crm', host, events: ['message.inbound'], reason: 'gone', waiting: 1 }])
  t.notMatch(JSON.stringify(items), '/hook', 'paths may hold tokens')
  const log = await ask(admin, 'GET', '/crm/deliveries')
  t.match(log.body.items, [{ type: 'message.inbound', state: 'pending', attempts: 1, status: 410, error: 'gone' }])
  t.notMatch(JSON.stringify(log.body), 'secret of')
  const { position } = log.body.items[0]

  await t.test('REST: roles, and what is refused', async (t) => {
    const code = (await cli('agent', 'code', 'ben')).stdout.trim()
    const agent = await tokenFor({ url: engine.url, signInCode: code })
    for (const [method, path, body] of [
      ['GET', '', undefined],
      ['GET', '/crm/deliveries', undefined],
      ['POST', '/crm/replay', { position }],
    ] as const) {
      t.equal((await ask(agent, method, path, body)).status, 403, `${method} ${path} is not for agents`)
    }
    t.match(await ask(admin, 'GET', '/other/deliveries'), { status: 404, body: { code: 'TL_REQUEST_NOT_FOUND' } })
    t.match(await ask(admin, 'POST', '/crm/replay', { position: 999_999 }), { status: 404 })
    for (const body of [{}, { position, since: position }, { position: 0 }, { position, more: 1 }]) {
      t.equal((await ask(admin, 'POST', '/crm/replay', body)).status, 400, JSON.stringify(body))
    }
    t.equal((await ask(admin, 'GET', '/crm/deliveries?limit=1000')).status, 400)
    t.same((await ask(admin, 'GET', `/crm/deliveries?before=${position}`)).body.items, [])
    const api = (await (await fetch(`${engine.url}/v1/openapi.json`)).json()) as { paths: Record<string, object> }
    for (const path of ['', '/{id}/deliveries', '/{id}/replay']) {
      t.ok(api.paths[`/v1/admin/webhooks${path}`], `${path} is described`)
    }
  })

  const metrics = await (await fetch(`${engine.url}/metrics`)).text()
  t.match(metrics, 'throughline_webhook_up{webhook="crm",state="disabled"} 0')
  t.match(metrics, 'throughline_webhook_waiting{webhook="crm"} 1')

  hook.status = 204
  t.match(await ask(admin, 'POST', '/crm/replay', { position }), { status: 200, body: { replayed: 1, last: position } })
  await eventually('the replay', async () => (await ask(admin, 'GET', '')).body.items[0].waiting === 0)
  t.match((await ask(admin, 'GET', '')).body.items, [{ state: 'running', reason: null, failures: 0 }])

  await t.test('the command line, beside the running engine', async (t) => {
    const list = await cli('webhooks', 'list')
    t.match(list, { code: 0, stdout: /crm +http:\/\/127\.0\.0\.1:\d+ +running/ }, list.stderr)
    const shown = await cli('webhooks', 'deliveries', 'crm')
    t.match(shown, { code: 0, stdout: /message\.inbound +delivered +1 +204/ }, shown.stderr)
    t.notMatch(shown.stdout, 'secret of')
    const before = hook.calls.length
    const again = await cli('webhooks', 'replay', 'crm', '--since', '1')
    t.match(again, { code: 0, stdout: '1 to be sent again' }, again.stderr)
    await eventually('the second replay', () => hook.calls.length > before)
    t.equal(new Set(hook.calls.map(({ id }) => id)).size, 1, 'under the same id')
    t.ok(hook.calls.every(({ verified }) => verified))
    const none = await cli('webhooks', 'replay', 'other', '--since', '1')
    t.match(none, { code: 1, stderr: 'there is no webhook other' })
  })
  t.notMatch(engine.output(), /whsec_|secret of/)
})
