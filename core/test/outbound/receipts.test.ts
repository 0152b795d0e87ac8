import { sql } from 'kysely'
import fc from 'fast-check'
import { test } from 'tap'
import type { InboundReceipt } from '../../src/outbound/contract.js'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'
import {
  eventsOf,
  messageState,
  Network,
  say,
  seed,
  sendsOf,
  startNode,
  untilState,
  type Seeded,
  type TestNode,
} from './fixture.js'

function receipt(target: string, status: InboundReceipt['status'], more: Partial<InboundReceipt> = {}): InboundReceipt {
  return {
    channel: 'chat',
    target,
    status,
    at: new Date(),
    watermark: false,
    thread: null,
    error: null,
    cause: 'in_1',
    ...more,
  }
}

async function apply(store: Store, node: TestNode, ...receipts: InboundReceipt[]) {
  return store.db.transaction().execute((trx) => node.outbound.applyReceipts(trx, receipts))
}

async function sentMessage(store: Store, node: TestNode, where: Seeded, ...texts: string[]): Promise<string> {
  const { messageId } = await node.outbound.queue(say(where, ...texts))
  await untilState(store, messageId, 'sent')
  return messageId
}

test('receipts only ever move a message upwards, whatever order and however often they come', async (t) => {
  const store = await withDatabase(t)
  const node = startNode(t, store, { channels: { chat: { network: new Network() } } })
  const message = await sentMessage(store, node, await seed(store), 'x')
  const events = await apply(store, node, receipt('net-1', 'delivered'))
  t.match(events, [
    { type: 'message.delivered', cause: 'in_1', data: { messageId: message, state: 'delivered', channel: 'chat' } },
  ])
  t.same(await apply(store, node, receipt('net-1', 'delivered'), receipt('net-1', 'sent')), [], 'again, and late')
  t.equal((await apply(store, node, receipt('net-1', 'read'), receipt('net-1', 'delivered')))[0]?.type, 'message.read')
  t.same(await apply(store, node, receipt('net-1', 'failed')), [], 'what was read has not failed')
  t.equal(await messageState(store, message), 'read')
})

test('a failed receipt fails the message with its reason, and a later delivery takes that back', async (t) => {
  const store = await withDatabase(t)
  const node = startNode(t, store, { channels: { chat: { network: new Network() } } })
  const message = await sentMessage(store, node, await seed(store), 'x')
  const error = { code: '131047', message: 'Re-engagement' }
  const events = await apply(store, node, receipt('net-1', 'failed', { error }))
  t.match(events, [{ type: 'message.failed', data: { code: '131047', reason: 'Re-engagement' } }])
  t.match(await sendsOf(store, message), [{ state: 'failed', error_code: '131047' }])
  t.same(await apply(store, node, receipt('net-1', 'sent')), [])
  await apply(store, node, receipt('net-1', 'delivered'))
  t.match(await sendsOf(store, message), [{ state: 'delivered', error_code: null }])
  t.equal(await messageState(store, message), 'delivered')
})

test('a message that failed at the network is tried again under a new key', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const node = startNode(t, store, { channels: { chat: { network } } })
  const message = await sentMessage(store, node, await seed(store), 'x')
  await apply(store, node, receipt('net-1', 'failed'))
  await node.outbound.retry(message, { kind: 'agent', id: 'ada' })
  await untilState(store, message, 'sent')
  t.not(network.received[0]?.idempotencyKey, network.received[1]?.idempotencyKey)
  t.match(await sendsOf(store, message), [{ external_id: 'net-2' }])
})

test('a receipt that comes before its send is recorded is kept and applied with it', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const node = startNode(t, store, { channels: { chat: { network } } })
  network.behave = async () => {
    await apply(store, node, receipt('net-1', 'delivered'), receipt('net-1', 'sent'))
    await apply(store, node, receipt('net-1', 'delivered'))
    return network.accept()
  }
  const { messageId } = await node.outbound.queue(say(await seed(store), 'x'))
  await untilState(store, messageId, 'delivered')
  t.equal((await store.db.selectFrom('early_receipt').selectAll().execute()).length, 0)
  t.same((await eventsOf(store, messageId)).types, ['message.queued', 'message.sending', 'message.delivered'])
})

test('a failed receipt that comes early fails the message with the reason', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const node = startNode(t, store, { channels: { chat: { network } } })
  network.behave = async () => {
    await apply(store, node, receipt('net-1', 'failed', { error: { code: 'blocked', message: 'Blocked' } }))
    return network.accept()
  }
  const { messageId } = await node.outbound.queue(say(await seed(store), 'x'))
  await untilState(store, messageId, 'failed')
  t.match((await eventsOf(store, messageId)).last, { code: 'blocked', reason: 'Blocked' })
})

test('a receipt that committed side by side with its send is found by the sweep; strangers are forgotten', async (t) => {
  const store = await withDatabase(t)
  const node = startNode(t, store, { channels: { chat: { network: new Network() } } })
  const message = await sentMessage(store, node, await seed(store), 'x')
  await sql`insert into early_receipt (channel, target, status, at, received_at) values
    ('chat', 'net-1', 'read', now(), now()), ('chat', 'foreign', 'read', now(), now() - interval '8 days'),
    ('chat', 'recent', 'read', now(), now())`.execute(store.db)
  await node.outbound.sweep()
  t.equal(await messageState(store, message), 'read')
  t.equal((await eventsOf(store, message)).types.at(-1), 'message.read')
  t.same(
    (await store.db.selectFrom('early_receipt').select('target').execute()).map((row) => row.target),
    ['recent'],
  )
})

test('a watermark covers everything sent earlier on the thread, and nothing else', async (t) => {
  const store = await withDatabase(t)
  const node = startNode(t, store, { channels: { chat: { network: new Network() } } })
  const where = await seed(store, { thread: 'one' })
  const messages: string[] = []
  for (const text of ['1', '2', '3']) messages.push(await sentMessage(store, node, where, text))
  const other = await sentMessage(store, node, await seed(store, { thread: 'two' }), 'x')
  const events = await apply(store, node, receipt('net-2', 'read', { watermark: true, thread: 'one' }))
  t.same(
    events.map((event) => event.type),
    ['message.read', 'message.read'],
  )
  const states = async () => Promise.all([...messages, other].map((id) => messageState(store, id)))
  t.same(await states(), ['read', 'read', 'sent', 'sent'])
  // A target that is not ours (the customer's own message): the time decides.
  await apply(
    store,
    node,
    receipt('theirs', 'read', { watermark: true, thread: 'one', at: new Date(Date.now() + 60_000) }),
  )
  t.same(await states(), ['read', 'read', 'read', 'sent'])
})

test('a message of several parts is as far as its slowest part', async (t) => {
  const store = await withDatabase(t)
  const node = startNode(t, store, { channels: { chat: { network: new Network() } } })
  const message = await sentMessage(store, node, await seed(store), 'a', 'b')
  t.same(await apply(store, node, receipt('net-1', 'read')), [])
  t.equal((await apply(store, node, receipt('net-2', 'delivered')))[0]?.type, 'message.delivered')
  t.equal((await apply(store, node, receipt('net-2', 'read')))[0]?.type, 'message.read')
  t.equal(await messageState(store, message), 'read')
})

test('any receipts in any batches end the same', async (t) => {
  const store = await withDatabase(t)
  const node = startNode(t, store, { channels: { chat: { network: new Network() } } })
  const where = await seed(store)
  let sent = 0
  const status = fc.constantFrom('sent' as const, 'delivered' as const, 'read' as const, 'failed' as const)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(status, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 }),
      async (batches) => {
        const message = await sentMessage(store, node, where, 'x')
        const target = `net-${(sent += 1)}`
        for (const batch of batches) await apply(store, node, ...batch.map((each) => receipt(target, each)))
        const all = batches.flat()
        const expected = all.includes('read')
          ? 'read'
          : all.includes('delivered')
            ? 'delivered'
            : all.includes('failed')
              ? 'failed'
              : 'sent'
        t.equal(await messageState(store, message), expected)
      },
    ),
    { numRuns: 30 },
  )
})
