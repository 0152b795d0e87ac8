import { test } from 'tap'
import { message, pipeline } from '../support/pipeline.js'
import { withDatabase } from '../support/database.js'

test('a message becomes a contact, a conversation, a touchpoint, a timeline entry, a work item and logged events', async (t) => {
  const store = await withDatabase(t)
  const one = await pipeline(store)
  t.teardown(() => one.stop())
  const seen: string[] = []
  one.reader.subscribe((batch) => seen.push(...batch.map((event) => event.type)))
  t.strictSame(await one.accept('sms', [message('+1555', 'hello')]), { stored: 1, duplicate: 0 })
  await one.drained()
  const { rows } = await store.pool.query(
    `select m.text, c.status, c.queue, t.channel, w.state, i.kind from message m join conversation c on c.id = m.conversation_id
     join touchpoint t on t.id = m.touchpoint_id join work_item w on w.conversation_id = c.id join identifier i on i.contact_id = c.contact_id`,
  )
  t.strictSame(rows, [
    { text: 'hello', status: 'open', queue: 'support', channel: 'sms', state: 'queued', kind: 'sender:sms' },
  ])
  t.strictSame(seen.slice(0, 4), ['contact.created', 'conversation.created', 'message.inbound', 'work.queued'])
})

test('further messages of the contact join the open conversation in the order of their lane, and route nothing anew', async (t) => {
  const store = await withDatabase(t)
  const one = await pipeline(store)
  t.teardown(() => one.stop())
  for (let i = 0; i < 50; i++) await one.accept('sms', [message('+1555', `text ${i}`)])
  await one.drained()
  const { rows } = await store.pool.query<{ text: string }>('select text from message order by id')
  t.strictSame(
    rows.map((row) => row.text),
    Array.from({ length: 50 }, (_, i) => `text ${i}`),
  )
  const counts = await store.pool.query(
    'select (select count(*) from conversation) as c, (select count(*) from work_item) as w, (select count(*) from contact) as k',
  )
  t.strictSame(counts.rows, [{ c: 1, w: 1, k: 1 }])
})

test('a redelivered event is counted as a duplicate and changes nothing', async (t) => {
  const store = await withDatabase(t)
  const one = await pipeline(store)
  t.teardown(() => one.stop())
  const event = message('a', 'once')
  await one.accept('sms', [event])
  t.strictSame(await one.accept('sms', [event, event]), { stored: 0, duplicate: 1 })
  await one.drained()
  const { rows } = await store.pool.query('select text from message')
  t.equal(rows.length, 1)
})

test('an album of a new sender over one request makes one contact and one conversation', async (t) => {
  const store = await withDatabase(t)
  const one = await pipeline(store)
  t.teardown(() => one.stop())
  await Promise.all(Array.from({ length: 10 }, (_, i) => one.accept('wa', [message('new', `photo ${i}`)])))
  await one.drained()
  const counts = await store.pool.query(
    'select (select count(*) from conversation) as c, (select count(*) from contact) as k, (select count(*) from message) as m',
  )
  t.strictSame(counts.rows, [{ c: 1, k: 1, m: 10 }])
})

test('one customer on two channels over a verified phone is one contact and one conversation with two touchpoints', async (t) => {
  const store = await withDatabase(t)
  const one = await pipeline(store)
  t.teardown(() => one.stop())
  const phone = { kind: 'phone', value: '+15550001111' }
  await one.accept('wa', [message('w1', 'by whatsapp', { sender: { id: 'w1', identifiers: [phone] } })])
  await one.accept('sms', [message('s1', 'by sms', { sender: { id: 's1', identifiers: [phone] } })])
  await one.drained()
  const counts = await store.pool.query(
    'select (select count(*) from conversation) as c, (select count(*) from contact) as k, (select count(*) from touchpoint) as t, (select count(*) from message) as m',
  )
  t.strictSame(counts.rows, [{ c: 1, k: 1, t: 2, m: 2 }])
})

test('a claimed identifier never joins: the sender gets a contact of its own and an agent gets a suggestion', async (t) => {
  const store = await withDatabase(t)
  const one = await pipeline(store)
  t.teardown(() => one.stop())
  const email = { kind: 'email', value: 'ann@example.com' }
  await one.accept('mail', [
    message('ann@example.com', 'real', { sender: { id: 'ann@example.com', identifiers: [email] } }),
  ])
  await one.accept('chat', [
    message('v1', 'I am Ann', { sender: { id: 'v1', identifiers: [{ ...email, assurance: 'claimed' }] } }),
  ])
  await one.accept('mail', [
    message('ann@example.com', 'forged', {
      sender: { id: 'ann@example.com', assurance: 'claimed', identifiers: [{ ...email, assurance: 'claimed' }] },
    }),
  ])
  await one.accept('mail', [
    message('ann@example.com', 'forged again', {
      sender: { id: 'ann@example.com', assurance: 'claimed', identifiers: [{ ...email, assurance: 'claimed' }] },
    }),
  ])
  await one.drained()
  await one.drain.stop()
  const { rows } = await store.pool.query(
    'select m.text, c.contact_id from message m join conversation c on c.id = m.conversation_id',
  )
  // Lanes are independent: which one comes first is not promised.
  const contactOf = new Map(rows.map((row: { text: string; contact_id: string }) => [row.text, row.contact_id]))
  t.equal(new Set(contactOf.values()).size, 3, 'the real one, the visitor and the forger are three')
  t.equal(contactOf.get('forged'), contactOf.get('forged again'), 'the forger stays one unverified contact')
  const suggestions = await store.pool.query('select kind, state from identity_suggestion')
  t.strictSame(suggestions.rows, [
    { kind: 'email', state: 'open' },
    { kind: 'email', state: 'open' },
  ])
})

test('two contacts that a network shows to be one are joined, with their conversations', async (t) => {
  const store = await withDatabase(t)
  const one = await pipeline(store)
  t.teardown(() => one.stop())
  const phone = { kind: 'phone', value: '+15550002222' }
  await one.accept('sms', [message('s', 'first', { sender: { id: 's', identifiers: [phone] } })])
  await one.accept('wa', [message('w', 'second')])
  await one.drained()
  await one.accept('wa', [message('w', 'third', { sender: { id: 'w', identifiers: [phone] } })])
  await one.drained()
  const { rows } = await store.pool.query('select count(*) as n from contact where joined_into is null')
  t.strictSame(rows, [{ n: 1 }])
  const joins = await store.pool.query('select evidence is not null as known from contact_join')
  t.strictSame(joins.rows, [{ known: true }])
})

test('a poison event is parked alone: its neighbours of the batch and of its own lane go on', async (t) => {
  const store = await withDatabase(t)
  const one = await pipeline(store, {
    timeline: {
      continuity: (facts) => {
        if (facts.message.length === 6) throw new Error('poison')
        return 'join'
      },
    },
  })
  t.teardown(() => one.stop())
  await one.accept('sms', [message('p', 'hello there')])
  await one.drained()
  await store.pool
    .query(`create function quick() returns trigger language plpgsql as $$ begin new.retry_at := now() - interval '1 second'; return new; end $$;
    create trigger quick before insert or update on lane_trouble for each row execute function quick()`)
  await one.accept('sms', [message('p', 'poison'), message('q', 'neighbour'), message('p', 'behind it')])
  one.drain.start()
  await one.drained()
  const { rows } = await store.pool.query('select text from message order by id')
  t.strictSame(rows.map((row: { text: string }) => row.text).sort(), ['behind it', 'hello there', 'neighbour'])
  const parked = await store.pool.query("select code from inbox where state = 'parked'")
  t.strictSame(parked.rows, [{ code: 'apply_failed' }])
})

test('a row that was in hand at three deaths of the process is parked, and its neighbours are applied', async (t) => {
  const store = await withDatabase(t)
  const dead = await pipeline(store)
  await dead.drain.stop()
  await dead.accept('sms', [message('a', 'deadly'), message('b', 'harmless'), message('c', 'harmless too')])
  await dead.stop()
  // Three nodes claimed and died: the first with all rows in hand, the next two with the first row alone.
  for (let death = 0; death < 3; death++) {
    const { rows } = await store.pool.query<{ row_id: number }>(
      `select row_id from claim_shards('{0,1,2,3}', gen_random_uuid(), gen_random_uuid(), interval '0 s', 100)`,
    )
    t.equal(rows.length, death === 0 ? 3 : 1, `claim ${death + 1}`)
  }
  const one = await pipeline(store)
  t.teardown(() => one.stop())
  one.drain.start()
  await one.drained()
  const { rows } = await store.pool.query<{ text: string }>('select text from message order by text')
  t.strictSame(
    rows.map((row) => row.text),
    ['harmless', 'harmless too'],
  )
  const parked = await store.pool.query("select code from inbox where state = 'parked'")
  t.strictSame(parked.rows, [{ code: 'deadly' }])
})

test('a batch that lost its connection gives its claim back: it is no death, and its rows do not wait for the lease', async (t) => {
  const store = await withDatabase(t)
  let losses = 0
  const one = await pipeline(store, {
    timeline: {
      continuity: () => {
        if (losses >= 4) return 'join'
        losses++
        throw Object.assign(new Error('terminating connection due to administrator command'), { code: '57P01' })
      },
    },
  })
  t.teardown(() => one.stop())
  one.drain.start()
  await one.accept('sms', [message('p', 'hello there')])
  await one.drained()
  await one.accept('sms', [message('p', 'and another thing')])
  await one.drained()
  t.equal(losses, 4)
  const { rows } = await store.pool.query('select text from message order by id')
  t.strictSame(rows, [{ text: 'hello there' }, { text: 'and another thing' }])
  const parked = await store.pool.query("select code from inbox where state = 'parked'")
  t.strictSame(parked.rows, [], 'four losses are no four deaths')
})

test('a claim whose answer was lost with the connection is given back and does not wait for the lease', async (t) => {
  const store = await withDatabase(t)
  let losses = 0
  const db = store.db.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      // The statement has been committed; its answer never comes.
      if (losses < 2 && result.rows.some((row) => 'row_crashes' in row)) {
        losses++
        throw Object.assign(new Error('Connection terminated unexpectedly'), { code: '08006' })
      }
      return result
    },
  })
  const one = await pipeline({ ...store, db })
  t.teardown(() => one.stop())
  one.drain.start()
  await one.accept('sms', [message('p', 'hello there')])
  await one.drained()
  t.ok(losses > 0)
  const { rows } = await store.pool.query('select m.text, w.crashes from message m left join inbox_waiting w on true')
  t.strictSame(rows, [{ text: 'hello there', crashes: null }])
})

test('an unknown event and NUL or lone surrogates in a text lose nothing', async (t) => {
  const store = await withDatabase(t)
  const one = await pipeline(store)
  t.teardown(() => one.stop())
  await one.accept('x', [
    { id: 'u', at: Number.NaN, type: 'unknown', note: 'new\0kind' },
    message('a', 'a\0b\ud800c'),
    message('a', 'c', { at: 9e15 }),
  ])
  await one.drained()
  const { rows } = await store.pool.query('select text from message order by id')
  t.strictSame(
    rows.map((row: { text: string }) => row.text),
    ['a\ufffdb\ufffdc', 'c'],
  )
  const parked = await store.pool.query("select code from inbox where state = 'parked'")
  t.strictSame(parked.rows, [{ code: 'unknown_event' }])
})

test('two drains on one database never apply a row twice and keep every lane in order', async (t) => {
  const store = await withDatabase(t)
  const [one, two] = [await pipeline(store), await pipeline(store)]
  t.teardown(() => Promise.all([one.stop(), two.stop()]).then(() => undefined))
  const lanes = Array.from({ length: 12 }, (_, i) => `lane${i}`)
  for (let round = 0; round < 20; round++) {
    await Promise.all(lanes.map((lane, i) => (i % 2 ? one : two).accept('sms', [message(lane, `${round}`)])))
  }
  one.drain.start()
  await one.drained()
  const { rows } = await store.pool.query<{ thread: string; texts: string[] }>(
    'select t.thread, array_agg(m.text order by m.id) as texts from message m join touchpoint t on t.id = m.touchpoint_id group by 1',
  )
  t.equal(rows.length, 12)
  for (const row of rows)
    t.strictSame(
      row.texts,
      Array.from({ length: 20 }, (_, i) => String(i)),
      row.thread,
    )
})

test('rules learn that a contact is verified from an identifier the network vouches for, not from its own visitor id', async (t) => {
  const store = await withDatabase(t)
  const one = await pipeline(store)
  t.teardown(() => one.stop())
  const phone = { kind: 'phone', value: '+15550003333' }
  await one.accept('chat', [message('anonymous', 'hello')])
  await one.accept('wa', [message('known', 'hello', { sender: { id: 'known', identifiers: [phone] } })])
  await one.drained()
  const { rows } = await store.pool.query(
    "select facts -> 'channel' ->> 'id' as channel, facts -> 'contact' -> 'verified' as verified from routing_decision order by 1",
  )
  t.strictSame(rows, [
    { channel: 'chat', verified: false },
    { channel: 'wa', verified: true },
  ])
})

test('a claim sent behind rows that could not be stored is not left to lapse', async (t) => {
  const store = await withDatabase(t)
  const closed = await pipeline(store)
  await closed.drain.stop()
  await closed.accept('sms', [message('p', 'waits')])
  await closed.stop()
  const one = await pipeline(store)
  t.teardown(() => one.stop())
  const claim = one.drain.claimBehind(new Set([0, 1, 2, 3]))
  await claim?.(store.db)
  t.equal(one.drain.claimBehind(new Set([0])), null, 'one claim at a time')
  // Nobody wakes the shards, because nothing was stored; the sweep finds the claim.
  one.drain.start()
  await one.drained()
  const { rows } = await store.pool.query('select text from message')
  t.strictSame(rows, [{ text: 'waits' }])
  const { rows: shards } = await store.pool.query('select count(*)::int as n from shard where claim_token is not null')
  t.strictSame(shards, [{ n: 0 }])
})

test('a claim nobody came for is given back when the node stops', async (t) => {
  const store = await withDatabase(t)
  const closed = await pipeline(store)
  await closed.drain.stop()
  await closed.accept('sms', [message('p', 'waits')])
  await closed.stop()
  const one = await pipeline(store)
  await one.drain.claimBehind(new Set([0, 1, 2, 3]))?.(store.db)
  await one.stop()
  const { rows } = await store.pool.query('select count(*)::int as n from shard where claim_token is not null')
  t.strictSame(rows, [{ n: 0 }])
})
