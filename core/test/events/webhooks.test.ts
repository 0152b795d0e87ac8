import { createHmac, randomBytes, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type Test as TestCase } from 'tap'
import { systemClock } from '../../src/clock.js'
import type { WebhookConfig } from '../../src/config/contract.js'
import { LogReader } from '../../src/events/reader.js'
import { Sequencer } from '../../src/events/sequencer.js'
import { createWebhookService } from '../../src/events/webhooks/webhook-service.js'
import { createWebhookStore } from '../../src/events/webhooks/webhook-store.js'
import type { WebhookLimits } from '../../src/events/webhooks/lead.js'
import { createWebhooks } from '../../src/events/webhooks/webhooks.js'
import { createLeaseStore } from '../../src/jobs/lease-store.js'
import { createLeases } from '../../src/jobs/leases.js'
import { createEgress, type Resolve } from '../../src/plugins/egress.js'
import { withDatabase } from '../support/database.js'
import { recordingLog, until } from '../plugins/support.js'

interface Call {
  readonly id: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly position: number
}
type Reply = (call: Call, response: ServerResponse) => void
const ok: Reply = (_call, response) => void response.writeHead(204).end()
const status =
  (code: number, headers: Record<string, string> = {}): Reply =>
  (_call, response) =>
    void response.writeHead(code, headers).end()
const operator = { kind: 'system', id: null } as const
const secret = () => `whsec_${randomBytes(32).toString('base64')}`

async function receiver(t: TestCase, reply: Reply = ok) {
  const calls: Call[] = []
  const self = { calls, reply, url: '', port: 0 }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      const { headers } = request
      const call = { id: String(headers['webhook-id']), headers, body, position: JSON.parse(body).data.position }
      calls.push(call)
      self.reply(call, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  self.port = (server.address() as AddressInfo).port
  self.url = `http://127.0.0.1:${self.port}/hook`
  return self
}

const quick: WebhookLimits = {
  retryMs: [20, 20, 20],
  breakerFailures: 50,
  breakerMs: 50,
  disableMs: 3_600_000,
  standbyMs: 100,
  leaseMs: 1_500,
  graceMs: 1_000,
}

async function world(t: TestCase) {
  const store = await withDatabase(t)
  const { db } = store
  const { log } = recordingLog()
  const reader = new LogReader({ db, url: store.url, log, node: 'n' })
  await reader.start()
  t.teardown(() => reader.stop())
  const sequencer = new Sequencer({ db, log, moved: () => reader.look() })
  sequencer.start()
  t.teardown(() => sequencer.stop())
  const rows = createWebhookStore(db)
  return {
    db,
    rows,
    async emit(...types: string[]) {
      const events = types.map((type) => ({ type: type as 'note.added', actor: { kind: 'system', id: null } as const, data: { channel: 'shop' } })) // prettier-ignore
      await db.transaction().execute((trx) => sequencer.append(trx, events))
      sequencer.poke()
    },
    async node(
      endpoints: WebhookConfig[],
      more: { limits?: Partial<WebhookLimits>; allow?: string[]; resolve?: Resolve } = {},
    ) {
      // prettier-ignore
      const { allow = ['127.0.0.1'], resolve } = more
      const egress = createEgress({ allow, ...(resolve ? { resolve } : {}) })
      t.teardown(() => egress.close())
      const leases = createLeases({ store: createLeaseStore(db), node: randomUUID() })
      const limits = { ...quick, ...more.limits }
      const redact = <T>(event: T): T => event
      const hooks = createWebhooks({ endpoints, db, reader, events: sequencer, egress, leases, redact, clock: systemClock, random: () => 0, log, limits }) // prettier-ignore
      await hooks.start()
      t.teardown(() => hooks.stop())
      return { hooks, service: createWebhookService({ endpoints, db, store: rows, events: sequencer }) }
    },
  }
}

const endpoint = (url: string, more: Partial<WebhookConfig> = {}): WebhookConfig => ({
  id: 'crm', url, secrets: [secret()], events: ['*'], pii: 'full', headers: {}, timeoutSeconds: 1, concurrency: 2, enabled: true, ...more,
}) // prettier-ignore

/** Written from the text of Standard Webhooks, with nothing of the engine's. */
function verified(call: Call, key: string): boolean {
  const signed = `${call.id}.${String(call.headers['webhook-timestamp'])}.${call.body}`
  const wanted = createHmac('sha256', Buffer.from(key.slice(6), 'base64'))
    .update(signed)
    .digest('base64')
  const fresh = Math.abs(Date.now() / 1000 - Number(call.headers['webhook-timestamp'])) < 300
  return fresh && String(call.headers['webhook-signature']).split(' ').includes(`v1,${wanted}`)
}

test('an event is posted once, signed with every secret, and only what the filter names', async (t) => {
  const w = await world(t)
  const hook = await receiver(t)
  const [fresh, old] = [secret(), secret()]
  const { service } = await w.node([endpoint(hook.url, { secrets: [fresh, old], events: ['sla.*', 'note.added'] })])
  await w.emit('note.added', 'message.inbound', 'sla.breached')
  await until(() => hook.calls.length === 2)
  t.same(hook.calls.map((call) => JSON.parse(call.body).type).sort(), ['note.added', 'sla.breached'])
  for (const call of hook.calls) {
    t.ok(verified(call, fresh))
    t.ok(verified(call, old))
    t.notOk(verified(call, secret()))
    t.notOk(verified({ ...call, body: `${call.body} ` }, fresh))
  }
  await until(async () => (await service.list())[0]?.waiting === 0)
  t.match(await service.deliveries('crm', { limit: 10 }), [
    { state: 'delivered', attempts: 1, status: 204, error: null },
    { state: 'delivered' },
  ])
})

test('what fails is tried again under the same id, then ends as failed; replay sends it once more', async (t) => {
  const w = await world(t)
  const hook = await receiver(t, status(500))
  const { service } = await w.node([endpoint(hook.url)])
  await w.emit('note.added')
  await until(async () => (await service.deliveries('crm', { limit: 1 }))[0]?.state === 'failed')
  t.equal(hook.calls.length, 4)
  t.equal(new Set(hook.calls.map((call) => call.id)).size, 1)
  hook.reply = ok
  const position = hook.calls[0]?.position ?? 0
  t.same(await service.replay('crm', { position }, operator), { replayed: 1, last: position })
  const sent = async () => (await service.deliveries('crm', { limit: 9 })).find((d) => d.position === position)
  await until(async () => (await sent())?.state === 'delivered')
  t.match(await sent(), { attempts: 1, replays: 1 })
  const ids = hook.calls.filter((call) => call.position === position).map((call) => call.id)
  t.same([ids.length, new Set(ids).size], [5, 1])
  await t.rejects(service.replay('crm', { position: 999_999 }, operator), { code: 'TL_REQUEST_NOT_FOUND' })
  await t.rejects(service.replay('other', { since: 1 }, operator), { code: 'TL_REQUEST_NOT_FOUND' })
})

test('410 disables the endpoint with an event; a replay since a position opens it again', async (t) => {
  const w = await world(t)
  const hook = await receiver(t, status(410))
  const { service } = await w.node([endpoint(hook.url, { events: ['note.added'] })])
  await w.emit('note.added')
  await until(async () => (await service.list())[0]?.state === 'disabled')
  t.match((await service.list())[0], { reason: 'gone' })
  const logged = () => w.db.selectFrom('event_log').select('type').where('type', '=', 'webhook.disabled').execute()
  await until(async () => (await logged()).length === 1)
  await w.emit('note.added')
  hook.reply = ok
  await service.replay('crm', { since: 1 }, operator)
  await until(async () => (await service.deliveries('crm', { limit: 9 })).filter((d) => d.state === 'delivered').length === 2) // prettier-ignore
  t.equal((await service.list())[0]?.state, 'running')
})

test('a hanging receiver is given up after its time and delays no other', async (t) => {
  const w = await world(t)
  const slow = await receiver(t, () => undefined)
  const good = await receiver(t)
  const { service } = await w.node([endpoint(slow.url, { id: 'slow', concurrency: 1 }), endpoint(good.url)])
  await w.emit(...Array.from({ length: 20 }, () => 'note.added'))
  await until(() => good.calls.length === 20)
  t.ok(slow.calls.length < 20)
  await until(async () => (await service.deliveries('slow', { limit: 50 })).some((d) => d.error === 'timeout'))
})

test('private addresses, redirects to them, and names that change their answer are refused', async (t) => {
  const w = await world(t)
  const inner = await receiver(t)
  const outer = await receiver(t, status(302, { location: inner.url }))
  let asked = 0
  // The first answer is allowed and nobody listens there; every later one is the address that must not be reached.
  const resolve: Resolve = async () => [{ address: asked++ === 0 ? '127.0.0.9' : '127.0.0.1', family: 4 }]
  const { service } = await w.node(
    [
      endpoint(outer.url, { id: 'redirects' }),
      endpoint(inner.url, { id: 'private' }),
      endpoint(`http://rebinding.example:${inner.port}/`, { id: 'rebinds' }),
    ],
    { allow: [`127.0.0.1:${outer.port}`, '127.0.0.9'], resolve },
  )
  await w.emit('note.added')
  const errors = async (id: string) => (await service.deliveries(id, { limit: 1 }))[0]?.error
  await until(async () => (await errors('redirects')) === 'redirect' && (await errors('private')) === 'refused')
  await until(async () => (await errors('rebinds')) === 'refused')
  t.equal(inner.calls.length, 0)
  t.ok(asked >= 2, 'the first try went to the address that was checked, the second was refused')
})

test('the breaker opens after failures in a row, lets one through when its pause is over, and closes', async (t) => {
  const w = await world(t)
  const hook = await receiver(t, status(500))
  const limits = { breakerFailures: 3, breakerMs: 3_600_000, retryMs: [20, 20, 20, 20, 20, 20] }
  const { service } = await w.node([endpoint(hook.url, { concurrency: 1 })], { limits })
  await w.emit(...Array.from({ length: 10 }, () => 'note.added'))
  await until(async () => (await service.list())[0]?.state === 'paused')
  t.equal(hook.calls.length, 3)
  const end = () =>
    w.db
      .updateTable('webhook_endpoint')
      .set({ paused_until: new Date(0) })
      .execute()
  await end()
  await until(() => hook.calls.length === 4)
  await until(async () => (await service.list())[0]?.failures === 4)
  t.equal((await service.list())[0]?.state, 'paused', 'one probe, and closed again')
  hook.reply = ok
  await end()
  await until(async () => (await service.list())[0]?.waiting === 0)
  t.match((await service.list())[0], { state: 'running', failures: 0 })
})

test('Retry-After is kept: nothing is sent to a receiver that asked for time', async (t) => {
  const w = await world(t)
  const hook = await receiver(t, status(429, { 'retry-after': '600' }))
  const { service } = await w.node([endpoint(hook.url, { concurrency: 1 })])
  await w.emit('note.added', 'note.added', 'note.added')
  await until(async () => (await service.list())[0]?.state === 'paused')
  t.equal(hook.calls.length, 1)
  const [first] = (await service.deliveries('crm', { limit: 9 })).filter((d) => d.attempts === 1)
  t.ok(Number(first?.nextAt) > Date.now() + 500_000)
})

test('of two nodes one sends; when it goes the other goes on, and nothing is lost', async (t) => {
  const w = await world(t)
  const hook = await receiver(t)
  const endpoints = [endpoint(hook.url)]
  const a = await w.node(endpoints)
  const b = await w.node(endpoints)
  for (let i = 0; i < 10; i++) await w.emit('note.added', 'note.added')
  await until(() => hook.calls.length >= 20)
  t.equal(hook.calls.length, 20, 'nothing doubly')
  await a.hooks.stop()
  await w.emit('note.added', 'note.added')
  await until(async () => (await b.service.deliveries('crm', { limit: 50 })).filter((d) => d.state === 'delivered').length === 22) // prettier-ignore
  t.equal(new Set(hook.calls.map((call) => call.id)).size, 22)
})
