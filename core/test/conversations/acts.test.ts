import { test } from 'tap'
import { conversationWorld, ada } from './world.js'

test('resolving ends the work in the same transaction, reopening is told as such, and the same status again is no act', async (t) => {
  const world = await conversationWorld(t)
  const { conversations } = world
  const id = await world.says('sms', 's1', 'hello')
  t.match(await world.rows('select state from work_item'), [{ state: 'queued' }])
  const resolved = await conversations.setStatus(id, { status: 'resolved' }, { ...ada, cause: 'c1' })
  t.match(resolved, { status: 'resolved', waitingSince: null, resolvedAt: Date })
  t.match(await world.rows('select state from work_item'), [{ state: 'cancelled' }], 'nobody had taken it')
  t.equal((await conversations.setStatus(id, { status: 'resolved' }, ada)).version, resolved.version)
  const open = await conversations.setStatus(id, { status: 'open' }, ada)
  t.match(open, { status: 'open', resolvedAt: null, version: resolved.version + 1 })
  t.strictSame((await world.typesOf(id)).slice(-3), [
    'work.completed',
    'conversation.resolved',
    'conversation.reopened',
  ])
  t.match(
    world.events.find((event) => event.type === 'conversation.resolved'),
    { actor: ada.actor, cause: 'c1', data: { from: 'open', version: resolved.version } },
  )
  t.ok(world.woken() > 0)
})

test('a snooze needs its end, is woken by database time with an event, and a customer who writes wakes it, too', async (t) => {
  const world = await conversationWorld(t)
  const { conversations } = world
  const [a, b] = [await world.says('sms', 's1', 'one'), await world.says('sms', 's2', 'two')]
  await t.rejects(conversations.setStatus(a, { status: 'snoozed' }, ada), { code: 'TL_COMMAND_INVALID' })
  await t.rejects(conversations.setStatus(a, { status: 'snoozed', until: new Date(NaN) }, ada), {
    code: 'TL_COMMAND_INVALID',
  })
  const until = new Date(Date.now() + 3_600_000)
  t.match(await conversations.setStatus(a, { status: 'snoozed', until }, ada), {
    status: 'snoozed',
    snoozedUntil: until,
  })
  await conversations.setStatus(b, { status: 'snoozed', until }, ada)
  t.equal(await conversations.wakeSnoozed(), 0)
  await world.rows(`update conversation set snoozed_until = now() - interval '1 second' where id = $1`, [a])
  t.equal(await conversations.wakeSnoozed(), 1)
  t.equal(await conversations.wakeSnoozed(), 0)
  t.match(await conversations.get(a), { status: 'open', snoozedUntil: null })
  t.equal(await world.says('sms', 's2', 'still there?'), b)
  t.match(await conversations.get(b), { status: 'open', snoozedUntil: null })
  t.strictSame((await world.typesOf(a)).slice(-2), ['conversation.snoozed', 'conversation.updated'])
})

test('more snoozes than one batch are all woken, by two nodes at once each only once', async (t) => {
  const world = await conversationWorld(t)
  await world.rows(
    `insert into conversation (id, contact_id, status, snoozed_until, last_message_at)
     select gen_random_uuid(), gen_random_uuid(), 'snoozed', now() - interval '1 minute', now() from generate_series(1, 1100)`,
  )
  const woken = await Promise.all([world.conversations.wakeSnoozed(), world.conversations.wakeSnoozed()])
  t.equal(woken[0] + woken[1], 1100)
  await world.pipe.drained()
  t.equal(world.events.filter((event) => event.type === 'conversation.updated').length, 1100)
})

test('an update changes what it names, refuses an outdated version, and keeps tags once each', async (t) => {
  const world = await conversationWorld(t)
  const { conversations } = world
  const id = await world.says('sms', 's1', 'hello')
  const { version } = (await conversations.get(id))!
  const after = await conversations.update(
    id,
    { tags: ['vip', 'a\0b', 'vip'], priority: 'urgent', subject: 'Broken \ud800 chair' },
    { ...ada, ifVersion: version },
  )
  t.match(after, {
    tags: ['vip', 'a\ufffdb'],
    priority: 'urgent',
    subject: 'Broken \ufffd chair',
    version: version + 1,
  })
  await t.rejects(conversations.update(id, { tags: [] }, { ...ada, ifVersion: version }), {
    code: 'TL_COMMAND_CONFLICT',
    details: { current: version + 1 },
  })
  t.match(await conversations.update(id, { language: 'de' }, ada), { language: 'de', priority: 'urgent' })
})

test('of ten acts that expect the same version one happens', async (t) => {
  const world = await conversationWorld(t)
  const id = await world.says('sms', 's1', 'hello')
  const { version } = (await world.conversations.get(id))!
  const results = await Promise.allSettled(
    Array.from({ length: 10 }, (_, i) =>
      world.conversations.update(id, { subject: `s${i}` }, { ...ada, ifVersion: version }),
    ),
  )
  t.equal(results.filter((one) => one.status === 'fulfilled').length, 1)
  t.equal((await world.conversations.get(id))?.version, version + 1)
})

test('what runs within an act shares its fate', async (t) => {
  const world = await conversationWorld(t)
  const id = await world.says('sms', 's1', 'hello')
  const { version } = (await world.conversations.get(id))!
  const seen: unknown[] = []
  await t.rejects(
    world.conversations.addNote(id, 'lost', {
      ...ada,
      within: async (_trx, result) => {
        seen.push(result)
        throw new Error('the result could not be stored')
      },
    }),
    /could not be stored/,
  )
  t.match(seen, [{ messageId: String }])
  t.equal((await world.conversations.get(id))?.version, version)
  t.match(await world.rows(`select count(*)::int as n from message where direction = 'note'`), [{ n: 0 }])
})

test('a note is in the timeline with its author, moves neither list nor reply window, and is refused when empty or huge', async (t) => {
  const world = await conversationWorld(t)
  const { conversations } = world
  await world.rows(`insert into agent (id, name, email, role) values ('ada', 'Ada L.', 'ada@x.test', 'agent')`)
  const id = await world.says('sms', 's1', 'hello', { sender: { id: 's1', name: 'Ann' } })
  const before = (await conversations.get(id))!
  const { messageId } = await conversations.addNote(id, 'careful\0 here', ada)
  const plugin = await conversations.addNote(id, 'by a plugin', { actor: { kind: 'plugin', id: 'crm' } })
  const after = (await conversations.get(id))!
  t.strictSame(after.lastMessageAt, before.lastMessageAt)
  t.equal(after.version, before.version + 2)
  const { items } = await conversations.history(id, { limit: 10 })
  t.match(items, [
    { direction: 'in', text: 'hello', author: { kind: 'customer', name: 'Ann' } },
    {
      id: messageId,
      direction: 'note',
      text: 'careful\ufffd here',
      touchpoint: null,
      author: { kind: 'agent', id: 'ada', name: 'Ada L.' },
    },
    { id: plugin.messageId, author: { kind: 'system', id: 'crm' } },
  ])
  for (const text of ['', ' \n', 'x'.repeat(100_001)]) {
    await t.rejects(conversations.addNote(id, text, ada), { code: 'TL_COMMAND_INVALID' })
  }
})

test('acts on a conversation that is none answer not found', async (t) => {
  const { conversations } = await conversationWorld(t)
  for (const id of ['', 'x', "'; drop table message", '01a1fca0-cb4b-75a7-9da7-1c92c7885013']) {
    t.equal(await conversations.get(id), null)
    t.equal(await conversations.message(id), null)
    t.strictSame(await conversations.history(id, { limit: 5 }), { items: [], next: null })
    t.strictSame(await conversations.list({ contact: id, limit: 5 }), { items: [], next: null })
    const acts: (() => Promise<unknown>)[] = [
      () => conversations.setStatus(id, { status: 'open' }, ada),
      () => conversations.update(id, { tags: [] }, ada),
      () => conversations.addNote(id, 'x', ada),
      () => conversations.join(id, '01a1fca0-cb4b-75a7-9da7-1c92c7885014', ada),
      () => conversations.split(id, ['01a1fca0-cb4b-75a7-9da7-1c92c7885014'], ada),
    ]
    for (const act of acts) t.match(await act().catch((error: unknown) => error), { code: 'TL_COMMAND_NOT_FOUND' })
  }
})
