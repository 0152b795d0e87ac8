import { createHmac } from 'node:crypto'
import { test } from 'tap'
import { until } from '../plugins/support.js'
import {
  cardText,
  conversation,
  endpoint,
  holding,
  ok,
  operator,
  receiver,
  secret,
  status,
  world,
  type Call,
} from './webhook-world.js'

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

test('a replay does not count what was under way when it was asked for', async (t) => {
  const w = await world(t)
  const { held, reply } = holding(ok)
  const hook = await receiver(t, reply)
  const { service } = await w.node([endpoint(hook.url, { events: ['note.added'], timeoutSeconds: 30 })])
  await w.emit('note.added')
  await until(() => held.length === 1)
  const position = hook.calls[0]?.position ?? 0
  await service.replay('crm', { position }, operator)
  hook.reply = ok
  held[0]?.()
  await until(() => hook.calls.length === 2)
  await until(async () => (await service.deliveries('crm', { limit: 1 }))[0]?.state === 'delivered')
  t.match(await service.deliveries('crm', { limit: 9 }), [{ attempts: 1, replays: 1 }])
  t.equal(new Set(hook.calls.map((call) => call.id)).size, 1)
  const logged = w.db.selectFrom('event_log').select('data').where('type', '=', 'webhook.replayed')
  await until(async () => (await logged.execute()).length === 1)
  t.match((await logged.execute())[0]?.data, { webhook: 'crm', from: position, to: position, count: 1 })
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

test('a node that is told to stop waits for the answer it is about to get, so nothing comes twice', async (t) => {
  const w = await world(t)
  const { held, reply } = holding(ok)
  const hook = await receiver(t, reply)
  const limits = { graceMs: 60_000 }
  const { hooks, service } = await w.node([endpoint(hook.url, { concurrency: 1, timeoutSeconds: 30 })], { limits })
  await w.emit('note.added', 'note.added')
  await until(() => held.length === 1)
  const stopped = hooks.stop()
  held[0]?.()
  await stopped
  t.match(await service.deliveries('crm', { limit: 9 }), [
    { position: 2, state: 'pending', attempts: 0 },
    { position: 1, state: 'delivered', attempts: 1 },
  ])
  t.equal(hook.calls.length, 1)
})

test('a webhook that is off waits: what happened meanwhile is delivered when it is on', async (t) => {
  const w = await world(t)
  const hook = await receiver(t)
  const off = await w.node([endpoint(hook.url, { enabled: false })])
  await w.emit('note.added')
  await until(() => w.reader.head() === 1)
  t.match(await off.service.list(), [{ state: 'off', position: 0 }])
  await off.hooks.stop()
  await w.node([endpoint(hook.url)])
  await until(() => hook.calls.length === 1)
  t.equal(hook.calls[0]?.position, 1)
})

test('pii: only full sends texts; none sends no id either; the delivery log never holds any of it', async (t) => {
  const w = await world(t)
  const hook = await receiver(t)
  const levels = ['none', 'pseudonymous', 'full'] as const
  const { service } = await w.node(levels.map((pii) => endpoint(`${hook.url}/${pii}`, { id: pii, pii })))
  await w.emit('note.added')
  await until(() => hook.calls.length === 3)
  const at = (pii: string) => hook.calls.find(({ path }) => path.endsWith(pii))?.body ?? ''
  t.match(at('full'), cardText)
  t.match(at('pseudonymous'), conversation)
  t.notMatch(at('pseudonymous'), '4111')
  t.notMatch(at('none'), '4111')
  t.notMatch(at('none'), conversation)
  t.match(JSON.parse(at('none')), { data: { channel: 'shop', position: 1, conversation: /^[0-9a-f]{16}$/ } })
  const waiting = async () => (await service.list()).reduce((sum, one) => sum + one.waiting, 0)
  await until(async () => (await waiting()) === 0)
  const kept = JSON.stringify(await w.db.selectFrom('webhook_delivery').selectAll().execute())
  t.match(kept, 'note.added')
  t.notMatch(kept, '4111')
  t.notMatch(kept, conversation)
})

test('the delivery log is kept for its time and no longer', async (t) => {
  const w = await world(t)
  const hook = await receiver(t)
  const { service } = await w.node([endpoint(hook.url)])
  await w.emit('note.added', 'note.added')
  await until(async () => (await service.list())[0]?.position === 2 && (await service.list())[0]?.waiting === 0)
  const old = { created_at: new Date(Date.now() - 31 * 86_400_000) }
  await w.db.updateTable('webhook_delivery').set(old).where('position', '=', 1).execute()
  await w.rows.prune(30)
  t.match(await service.deliveries('crm', { limit: 9 }), [{ position: 2 }])
  t.equal((await service.deliveries('crm', { limit: 9 })).length, 1)
})
