import fc from 'fast-check'
import { test, type Test } from 'tap'
import { createFairShares } from '../../src/routing/fair-share.js'
import { createMatcher } from '../../src/routing/match.js'
import type { ScanRow } from '../../src/routing/scan-store.js'
import { hasRoom, type Candidate } from '../../src/routing/selection.js'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'
import {
  agent,
  broken,
  dispatch,
  enqueue,
  enqueueMany,
  item,
  node,
  offers,
  pending,
  queue,
  type TestNode,
} from './harness.js'

const self = (id: string) => ({ actor: { kind: 'agent', id }, cause: 'c' }) as const
const boss = { actor: { kind: 'agent', id: 'boss' }, cause: 'c' } as const
const shared = (items: number) => [queue('support', { fairShare: { items, minutes: 60 } })]

async function started(t: Test, queues: ReturnType<typeof shared>): Promise<{ store: Store; here: TestNode }> {
  const store = await withDatabase(t)
  const here = node(store, { queues })
  t.teardown(() => here.stop())
  return { store, here }
}

async function sweep(here: TestNode): Promise<void> {
  await here.sweep()
  await here.settled()
}

/** A chat that is accepted and done with. Answers who had it. */
async function handled(store: Store, here: TestNode): Promise<string> {
  const { conversation } = await enqueue(store, here)
  await dispatch(here)
  const [offer] = await offers(store, `state = 'pending' and conversation_id = '${conversation}'`)
  await here.work.accept(offer?.id ?? '', offer?.agent_id ?? '', 'c')
  await here.work.complete(conversation, null, self(offer?.agent_id ?? ''))
  await here.settled()
  return offer?.agent_id ?? ''
}

/** As if so many minutes had passed since everything was accepted. */
async function pass(store: Store, minutes: number): Promise<void> {
  await store.pool.query(`update offer set accepted_at = accepted_at - make_interval(mins => $1)`, [minutes])
}

test('whoever has had a fair share of what is new is passed over, the next one is asked, and the decision says why', async (t) => {
  for (const [queues, third] of [
    [shared(2), 'bob'],
    [[queue('support')], 'ann'],
  ] as const) {
    const { store, here } = await started(t, [...queues])
    await agent(store, here, 'ann')
    // Always after ann, who has been without new work for longer.
    await agent(store, here, 'bob', { lastAssigned: '2999-01-01T00:00:00Z' })
    t.same([await handled(store, here), await handled(store, here)], ['ann', 'ann'])
    const { conversation } = await enqueue(store, here)
    await dispatch(here)
    t.match(await pending(store), [{ agent_id: third, conversation_id: conversation }])
    const decisions = (await here.work.decisions(conversation)) as readonly any[]
    const { candidates } = decisions.find((one) => one.trigger === 'offer')
    const passedOver = third === 'bob' ? [{ agent: 'ann', why: 'fair_share' }] : [{ agent: 'bob', why: 'ranked_after' }]
    t.same(candidates, { chosen: third, passedOver })
    t.strictSame(await broken(store), [])
  }
})

test('when everybody has had a share the item waits, and is offered when the window has moved on', async (t) => {
  const { store, here } = await started(t, shared(1))
  await agent(store, here, 'ann')
  await handled(store, here)
  const { item: id } = await enqueue(store, here)
  await dispatch(here)
  await sweep(here)
  t.strictSame(await pending(store), [])
  t.match(await item(store, id), { state: 'queued', waiting_reason: 'waiting_capacity' })
  await pass(store, 59)
  await sweep(here)
  t.strictSame(await pending(store), [], 'a minute is left')
  await pass(store, 2)
  await sweep(here)
  t.match(await pending(store), [{ agent_id: 'ann', item_id: id }])
})

test('a share is of one queue', async (t) => {
  const { store, here } = await started(t, [...shared(1), queue('sales')])
  await agent(store, here, 'ann')
  await handled(store, here)
  await enqueue(store, here)
  const sales = await enqueue(store, here, { plan: { queue: 'sales' } })
  const more = await enqueue(store, here, { plan: { queue: 'sales' } })
  await dispatch(here)
  t.same((await pending(store)).map((offer) => offer.item_id).sort(), [sales.item, more.item].sort())
})

test('one pass over many items gives nobody more than a share, and a declined offer gives its part back', async (t) => {
  const { store, here } = await started(t, shared(3))
  for (const id of ['ann', 'bob']) await agent(store, here, id, { capacity: 1000 })
  await enqueueMany(store, here, 10)
  const counts = async () => {
    const all = (await pending(store)).map((offer) => offer.agent_id)
    return ['ann', 'bob'].map((id) => all.filter((one) => one === id).length)
  }
  await dispatch(here)
  t.same(await counts(), [3, 3])
  await sweep(here)
  t.same(await counts(), [3, 3], 'open offers count')
  const [first] = await offers(store, `agent_id = 'ann' and state = 'pending'`)
  await here.work.decline(first?.id ?? '', 'ann', null, 'c')
  await here.settled()
  t.same(await counts(), [3, 3], 'another one instead')
  const { rows } = await store.pool.query(`select count(*)::int as waiting from work_item where state = 'queued'`)
  t.same(rows, [{ waiting: 4 }])
  t.strictSame(await broken(store), [])
})

test('what is assigned by force does not count, what an agent pulls does', async (t) => {
  for (const force of [true, false]) {
    const { store, here } = await started(t, shared(1))
    await agent(store, here, 'ann')
    const { conversation } = await enqueue(store, here)
    await here.work.claim(conversation, 'ann', { ...boss, force })
    await here.work.complete(conversation, null, self('ann'))
    await enqueue(store, here)
    await dispatch(here)
    t.equal((await pending(store)).length, force ? 1 : 0, force ? 'forced' : 'pulled')
  }
})

test('a conversation that goes straight back to its agent does not count', async (t) => {
  const { store, here } = await started(t, shared(1))
  await agent(store, here, 'ann')
  const { item: id } = await enqueue(store, here, { returnsTo: 'ann' })
  t.match(await item(store, id), { state: 'assigned', assignee: 'ann' })
  await enqueue(store, here)
  await dispatch(here)
  t.match(await pending(store), [{ agent_id: 'ann' }])
})

test('what somebody has had before is not new: it does not count, and goes to who has had a share', async (t) => {
  const { store, here } = await started(t, shared(1))
  await agent(store, here, 'ann')
  await agent(store, here, 'bob', { status: null })
  const back = async (): Promise<string> => {
    const { item: id, conversation } = await enqueue(store, here)
    await here.work.claim(conversation, 'bob', self('bob'))
    await here.work.release(conversation, self('bob'))
    await here.settled()
    return id
  }
  const first = await back()
  t.match(await pending(store), [{ agent_id: 'ann', item_id: first }])
  const second = await enqueue(store, here)
  await dispatch(here)
  t.match(
    await pending(store),
    [{ item_id: first }, { agent_id: 'ann', item_id: second.item }],
    'the share is untouched',
  )

  // Behind a new one that asks for the same and has to wait for the share.
  await store.pool.query(`update agent_load set capacity = 50 where agent_id = 'ann'`)
  const third = await enqueue(store, here, { agoS: 600 })
  const fourth = await back()
  await sweep(here)
  for (const id of [third.item, fourth]) t.match(await item(store, id), { waiting_reason: 'waiting_capacity' })
  await store.pool.query(`update agent_load set capacity = 1000 where agent_id = 'ann'`)
  await dispatch(here)
  t.match(await offers(store, `item_id = '${fourth}' and state = 'pending'`), [{ agent_id: 'ann' }])
  t.match(await item(store, third.item), { state: 'queued' })
  t.strictSame(await broken(store), [])
})

test('a preferred agent who has had a share is waited for like one who is full, and then the others are asked', async (t) => {
  const { store, here } = await started(t, shared(1))
  await agent(store, here, 'ann')
  await handled(store, here)
  await agent(store, here, 'bob')
  const { item: id } = await enqueue(store, here, { preferred: ['ann'], overcommit: ['ann'] })
  await dispatch(here)
  t.strictSame(await pending(store), [])
  t.match(await item(store, id), { waiting_reason: 'hold_preferred' })
  await store.pool.query(
    `update work_item set step_from = step_from - interval '31 s', hold_until = hold_until - interval '31 s'`,
  )
  await sweep(here)
  t.match(await pending(store), [{ agent_id: 'bob', item_id: id }])
})

test('a broadcast asks nobody who has had a share', async (t) => {
  const { store, here } = await started(t, [
    queue('support', { fairShare: { items: 1, minutes: 60 }, offer: 'broadcast', broadcastTo: 5 }),
  ])
  await agent(store, here, 'ann')
  await handled(store, here)
  for (const id of ['bob', 'cem']) await agent(store, here, id)
  const { item: id } = await enqueue(store, here)
  await enqueue(store, here)
  await dispatch(here)
  const open = await pending(store)
  t.same(open.map((offer) => [offer.item_id, offer.agent_id]).sort(), [
    [id, 'bob'],
    [id, 'cem'],
  ])
})

const AGENTS = ['ann', 'bob', 'cem']
const candidate = (agent: string): Candidate => ({
  agent,
  teams: [],
  skills: {},
  languages: {},
  perChannelMax: {},
  capacity: 100,
  reserved: 0,
  active: 0,
  byChannel: {},
  lastAssignedAt: null,
  status: 'online',
  channels: {},
  available: true,
})
const row: fc.Arbitrary<ScanRow> = fc.record({
  id: fc.uuid(),
  conversation: fc.uuid(),
  channel: fc.constant('chat'),
  channelKind: fc.constant('webchat'),
  queue: fc.constantFrom('support', 'sales'),
  extraQueues: fc.constant([]),
  priority: fc.constant('normal'),
  units: fc.constantFrom(10, 25),
  preferred: fc.subarray(AGENTS, { maxLength: 1 }),
  overcommit: fc.constant([]),
  excluded: fc.constant({}),
  steps: fc.constant(null),
  planVersion: fc.constant('1'),
  step: fc.constant(0),
  // The time to wait for a preferred agent is over.
  elapsedS: fc.constant(1000),
  reason: fc.constant(null),
  class: fc.constant(1),
  again: fc.boolean(),
  rankUs: fc.nat(),
  firstUs: fc.nat(),
})

test('whatever was taken and whatever comes: no share is exceeded, and nothing waits for who has room and share', (t) => {
  let waiting = 0
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom(...AGENTS), fc.nat(4)),
      fc.integer({ min: 1, max: 4 }),
      fc.array(row, { maxLength: 20 }),
      (before, items, rows) => {
        const taken = AGENTS.map((agent) => ({ queue: 'support', agent, taken: before[agent] ?? 0 }))
        const counts = new Map(taken.map((one) => [one.agent, one.taken]))
        const candidates = AGENTS.map(candidate)
        const { match } = createMatcher({
          queues: new Map(['support', 'sales'].map((id) => [id, queue(id)])),
          defaultQueue: 'support',
          candidates,
          shares: createFairShares(new Map([['support', items]]), taken),
          now: 0,
        })
        for (const each of rows) {
          const limited = each.queue === 'support' && each.again !== true
          const may = (agent: string): boolean => !limited || (counts.get(agent) ?? 0) < items
          const able = candidates.filter((one) => may(one.agent) && hasRoom(one, each.channelKind, each.units))
          const names = able.map((one) => one.agent)
          const chosen = match(each).candidate
          if ((chosen === null) !== (names.length === 0)) return false
          if (chosen === null) waiting += 1
          else if (!names.includes(chosen.agent)) return false
          else if (limited) counts.set(chosen.agent, (counts.get(chosen.agent) ?? 0) + 1)
        }
        return true
      },
    ),
    { numRuns: 500 },
  )
  t.ok(waiting > 100, `${waiting} had to wait`)
  t.end()
})
