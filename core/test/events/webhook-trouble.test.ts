import { sql } from 'kysely'
import { test } from 'tap'
import type { Resolve } from '../../src/plugins/egress.js'
import { until } from '../plugins/support.js'
import { endpoint, holding, ok, operator, receiver, status, world } from './webhook-world.js'

test('a receiver that hangs delays no other, and is given up after its time', async (t) => {
  const w = await world(t)
  const slow = await receiver(t, () => undefined)
  const short = await receiver(t, () => undefined)
  const good = await receiver(t)
  const { service } = await w.node([
    endpoint(slow.url, { id: 'slow', concurrency: 1, timeoutSeconds: 300 }),
    endpoint(short.url, { id: 'short', concurrency: 1 }),
    endpoint(good.url, { id: 'good' }),
  ])
  await w.emit(...Array.from({ length: 20 }, () => 'note.added'))
  await until(() => good.calls.length === 20)
  await until(async () => (await service.deliveries('short', { limit: 50 })).some((d) => d.error === 'timeout'))
  t.match(await service.deliveries('short', { limit: 50, before: 2 }), [{ status: null, error: 'timeout' }])
  t.equal(slow.calls.length, 1, 'it still waits for its first answer')
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
  const { held, reply } = holding(status(500))
  const hook = await receiver(t, reply)
  const limits = { breakerFailures: 3, breakerMs: 3_600_000, retryMs: [20, 20, 20, 20, 20, 20] }
  const { service } = await w.node([endpoint(hook.url, { concurrency: 4, timeoutSeconds: 30 })], { limits })
  const state = async () => (await service.list())[0]
  const end = () =>
    w.db
      .updateTable('webhook_endpoint')
      .set({ paused_until: new Date(0) })
      .execute()
  const tried = async () => (await service.deliveries('crm', { limit: 20 })).filter((d) => d.attempts > 0).length
  await w.emit(...Array.from({ length: 10 }, () => 'note.added'))
  await until(() => held.length === 4)
  hook.reply = status(500)
  for (const answer of held.splice(0)) answer()
  await until(async () => (await state())?.state === 'paused' && (await tried()) === hook.calls.length)
  const before = hook.calls.length
  t.ok(before < 10, 'not all were tried')
  t.match(await state(), { state: 'paused', failures: 3 }, 'what was on its way opens it no further')
  t.equal(w.lines.filter(({ message }) => message.includes('again and again')).length, 1, 'told once')
  hook.reply = reply
  await end()
  await until(() => held.length === 1)
  t.equal(hook.calls.length, before + 1, 'half open: one, although four might go at once')
  held.shift()?.()
  await until(async () => (await state())?.failures === 4)
  t.equal((await state())?.state, 'paused')
  t.equal(hook.calls.length, before + 1)
  hook.reply = ok
  await end()
  await until(async () => (await state())?.waiting === 0)
  t.match(await state(), { state: 'running', failures: 0 })
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

test('an answer that was on its way does not end the pause a receiver asked for', async (t) => {
  const w = await world(t)
  const { held, reply } = holding(ok)
  const hook = await receiver(t)
  const busy = status(429, { 'retry-after': '600' })
  hook.reply = (call, response) => (hook.calls.length === 1 ? reply : busy)(call, response)
  const { service } = await w.node([endpoint(hook.url, { concurrency: 2, timeoutSeconds: 30 })])
  await w.emit('note.added', 'note.added', 'note.added')
  await until(async () => (await service.list())[0]?.state === 'paused')
  held[0]?.()
  await until(async () => (await service.deliveries('crm', { limit: 9 })).some((d) => d.state === 'delivered'))
  t.match((await service.list())[0], { state: 'paused', failures: 0 })
  t.equal(hook.calls.length, 2)
})

test('410 disables the endpoint with an event; a replay since a position opens it again', async (t) => {
  const w = await world(t)
  const { held, reply } = holding(status(410))
  const hook = await receiver(t, reply)
  const { service } = await w.node([endpoint(hook.url, { events: ['note.added'], timeoutSeconds: 30 })])
  await w.emit('note.added', 'note.added')
  await until(() => held.length === 2)
  for (const answer of held) answer()
  const log = () => service.deliveries('crm', { limit: 9 })
  await until(async () => (await log()).every((d) => d.attempts === 1))
  t.match((await service.list())[0], { state: 'disabled', reason: 'gone' })
  const logged = () => w.db.selectFrom('event_log').select('type').where('type', '=', 'webhook.disabled').execute()
  await until(async () => (await logged()).length === 1)
  await w.emit('note.added')
  hook.reply = ok
  await service.replay('crm', { since: 1 }, operator)
  await until(async () => (await log()).filter((d) => d.state === 'delivered').length === 3)
  t.equal((await service.list())[0]?.state, 'running')
  t.equal((await logged()).length, 1, 'told once, although two answers said so')
})

test('days without any success disable an endpoint, with an event; it stays so until a replay or another URL', async (t) => {
  const w = await world(t)
  const hook = await receiver(t, status(500))
  const first = endpoint(hook.url, { events: ['note.added'] })
  const { hooks, service } = await w.node([first], { limits: { retryMs: [3_600_000] } })
  await w.emit('note.added')
  await until(async () => (await service.list())[0]?.failures === 1)
  await w.db
    .updateTable('webhook_endpoint')
    .set({ failing_since: new Date(Date.now() - 2 * 3_600_000) })
    .execute()
  await w.emit('note.added')
  await until(async () => (await service.list())[0]?.state === 'disabled')
  const logged = w.db.selectFrom('event_log').select('data').where('type', '=', 'webhook.disabled')
  await until(async () => (await logged.execute()).length === 1)
  t.match((await logged.execute())[0]?.data, { webhook: 'crm', code: 'failing', failures: 2 })
  await hooks.stop()
  const again = await w.node([first])
  await w.emit('note.added')
  await t.rejects(again.service.replay('crm', { position: 999_999 }, operator), { code: 'TL_REQUEST_NOT_FOUND' })
  t.match((await again.service.list())[0], { state: 'disabled', reason: 'failing' }, 'nor by a replay of nothing')
  await again.hooks.stop()
  t.equal(hook.calls.length, 2)
  const moved = await receiver(t)
  await w.node([{ ...first, url: moved.url }])
  await until(() => moved.calls.length === 1)
  t.match((await service.list())[0], { state: 'running', failures: 0 })
})

test('what left the log before it could be sent ends as failed, and says nothing against the receiver', async (t) => {
  const w = await world(t)
  const hook = await receiver(t, status(500))
  const { hooks, service } = await w.node([endpoint(hook.url)], { limits: { retryMs: [3_600_000, 3_600_000] } })
  await w.emit('note.added')
  await until(async () => (await service.list())[0]?.failures === 1)
  await hooks.stop()
  await w.emit('note.added', 'note.added')
  await until(() => w.reader.head() === 3)
  await w.db.deleteFrom('event_log').where('position', '<', 3).execute()
  await w.db
    .updateTable('webhook_delivery')
    .set({ next_at: new Date(0) })
    .execute()
  const later = await w.node([endpoint(hook.url)], { fresh: true, limits: { retryMs: [3_600_000] } })
  await until(async () => (await later.service.list())[0]?.failures === 2)
  await until(async () => (await later.service.list())[0]?.waiting === 1)
  t.match(await later.service.deliveries('crm', { limit: 9 }), [
    { position: 3, state: 'pending', attempts: 1, error: 'status' },
    { position: 1, state: 'failed', attempts: 2, error: 'pruned', status: null },
  ])
  t.equal((await later.service.list())[0]?.failures, 2, 'the lost one is not counted')
  t.ok(w.lines.some(({ level, message }) => level === 'error' && message.includes('had left the log')))
})

test('an outcome that cannot be written is sent again under the same id until it can', async (t) => {
  const w = await world(t)
  const hook = await receiver(t)
  await sql`create function refuse() returns trigger language plpgsql as 'begin raise exception ''disk full''; end'`.execute(w.db) // prettier-ignore
  await sql`create trigger refuse before update on webhook_delivery execute function refuse()`.execute(w.db)
  const { service } = await w.node([endpoint(hook.url)])
  await w.emit('note.added')
  await until(() => hook.calls.length >= 3)
  t.ok(w.lines.some(({ message }) => message.includes('interrupted')))
  t.match(await service.deliveries('crm', { limit: 9 }), [{ state: 'pending', attempts: 0 }])
  await sql`drop trigger refuse on webhook_delivery`.execute(w.db)
  await until(async () => (await service.deliveries('crm', { limit: 9 }))[0]?.state === 'delivered')
  t.equal(new Set(hook.calls.map((call) => call.id)).size, 1)
})
