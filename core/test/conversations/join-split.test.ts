import { test } from 'tap'
import { conversationWorld, ada, type World } from './world.js'

/** Touchpoints, messages and sends that stand in another conversation or touchpoint than they should. */
async function strays(world: World): Promise<unknown> {
  const [row] = await world.rows(
    `select (select count(*)::int from message m where touchpoint_id is not null and not exists
        (select 1 from touchpoint t where t.id = m.touchpoint_id and t.conversation_id = m.conversation_id)) as messages,
      (select count(*)::int from send s join message m on m.id = s.message_id
        where s.conversation_id <> m.conversation_id or s.touchpoint_id <> m.touchpoint_id) as sends,
      (select count(*)::int from conversation c where c.status <> 'joined' and not exists
        (select 1 from touchpoint t where t.id = c.last_touchpoint and t.conversation_id = c.id)) as last`,
  )
  return row
}
const none = { messages: 0, sends: 0, last: 0 }

async function answer(world: World, conversation: string, text: string): Promise<void> {
  await world.rows(
    `with m as (
       insert into message (id, conversation_id, touchpoint_id, channel, direction, author_kind, text, parts, provider_at, state)
       select gen_random_uuid(), c.id, c.last_touchpoint, t.channel, 'out', 'agent', $2, '[]', now(), 'queued'
       from conversation c join touchpoint t on t.id = c.last_touchpoint where c.id = $1 returning *)
     insert into send (id, message_id, conversation_id, touchpoint_id, channel, thread, part)
     select gen_random_uuid(), m.id, m.conversation_id, m.touchpoint_id, m.channel, t.thread, '{}'
     from m join touchpoint t on t.id = m.touchpoint_id`,
    [conversation, text],
  )
}

test('a joined conversation brings everything along; touchpoints that both had become one; one work item survives', async (t) => {
  const world = await conversationWorld(t)
  const { conversations } = world
  const older = await world.says('sms', 's1', 'old')
  const newer = await world.another(older, 'sms', 's1', 'new')
  t.not(older, newer)
  await answer(world, newer, 'answered')
  await conversations.addNote(newer, 'a note', ada)
  await conversations.update(newer, { tags: ['b', 'c'] }, ada)
  await conversations.update(older, { tags: ['a', 'b'] }, ada)
  const { version } = (await conversations.get(older))!
  const after = await conversations.join(newer, older, { ...ada, ifVersion: version })
  t.match(after, { id: older, status: 'open', tags: ['a', 'b', 'c'], touchpoints: [{ channel: 'sms', thread: 's1' }] })
  t.equal(after.touchpoints.length, 1)
  t.strictSame(
    (await conversations.history(older, { limit: 10 })).items.map((one) => one.text),
    ['old', 'new', 'answered', 'a note'],
  )
  t.match(await conversations.get(newer), { status: 'joined', joinedInto: older, touchpoints: [], assignee: null })
  t.strictSame(await strays(world), none)
  const work = await world.rows('select conversation_id as c, state from work_item order by state')
  t.strictSame(work, [
    { c: newer, state: 'joined' },
    { c: older, state: 'queued' },
  ])
  t.ok((await world.typesOf(older)).includes('conversation.joined'))
  t.equal(await world.says('sms', 's1', 'and on'), older, 'the customer goes on in the one that stayed')
  await t.rejects(conversations.addNote(newer, 'x', ada), {
    code: 'TL_COMMAND_CONFLICT',
    details: { joinedInto: older },
  })
})

test('a second join makes the first lead to the one that stays', async (t) => {
  const world = await conversationWorld(t)
  const a = await world.says('sms', 's1', 'a')
  const b = await world.another(a, 'sms', 's1', 'b')
  await world.rows(`update conversation set status = 'resolved', resolved_at = now() - interval '20 days'`)
  const c = await world.says('sms', 's1', 'c')
  await world.conversations.join(a, b, ada)
  await world.conversations.join(b, c, ada)
  t.equal((await world.conversations.get(a))?.joinedInto, c)
  t.equal((await world.conversations.history(c, { limit: 10 })).items.length, 3)
  t.strictSame(await strays(world), none)
})

test('what is open in one of two joined conversations is open', async (t) => {
  const world = await conversationWorld(t)
  const { conversations } = world
  const older = await world.says('sms', 's1', 'old')
  const newer = await world.another(older, 'sms', 's1', 'new')
  await conversations.setStatus(older, { status: 'snoozed', until: new Date(Date.now() + 1e6) }, ada)
  t.match(await conversations.join(newer, older, ada), { status: 'open', snoozedUntil: null })
})

test('conversations of two contacts are not joined, nor one into itself, nor of an outdated version', async (t) => {
  const world = await conversationWorld(t)
  const { conversations } = world
  const [a, b] = [await world.says('sms', 's1', 'a'), await world.says('sms', 's2', 'b')]
  await t.rejects(conversations.join(a, b, ada), { code: 'TL_COMMAND_CONFLICT', message: /two contacts/ })
  await t.rejects(conversations.join(a, a, ada), { code: 'TL_COMMAND_INVALID' })
  const c = await world.another(a, 'sms', 's1', 'c')
  await t.rejects(conversations.join(a, c, { ...ada, ifVersion: 99 }), { code: 'TL_COMMAND_CONFLICT' })
})

test('joins in both directions while the customer writes: one happens, nothing is lost, nothing hangs', async (t) => {
  const world = await conversationWorld(t)
  const { conversations } = world
  const a = await world.says('sms', 's1', 'a')
  const b = await world.another(a, 'sms', 's1', 'b')
  const writing = Promise.all(Array.from({ length: 20 }, (_, i) => world.says('sms', 's1', `m${i}`)))
  const joins = await Promise.allSettled([
    conversations.join(a, b, ada),
    conversations.join(b, a, ada),
    conversations.join(a, b, ada),
  ])
  await writing
  t.equal(joins.filter((one) => one.status === 'fulfilled').length, 1)
  for (const one of joins) if (one.status === 'rejected') t.match(one.reason, { code: 'TL_COMMAND_CONFLICT' })
  const [alive] = await world.rows(`select id from conversation where status <> 'joined'`)
  t.equal((await conversations.history(alive!['id'] as string, { limit: 50 })).items.length, 22)
  t.strictSame(await strays(world), none)
})

test('a split takes messages into a conversation of their own, with touchpoints, sends and attachments', async (t) => {
  const world = await conversationWorld(t)
  const { conversations } = world
  const id = await world.says('sms', 's1', 'the chair')
  await world.says('sms', 's1', 'the invoice', {
    parts: [{ type: 'file', media: { url: 'https://cdn.test/i.pdf' } }],
  } as never)
  await answer(world, id, 'about the invoice')
  await conversations.addNote(id, 'a note', ada)
  const { items } = await conversations.history(id, { limit: 10 })
  const about = items.filter((one) => one.text.includes('invoice')).map((one) => one.id)
  const before = (await conversations.get(id))!
  const split = await conversations.split(id, about, { ...ada, ifVersion: before.version })
  t.match(split, {
    status: 'open',
    relatedTo: id,
    contact: before.contact,
    touchpoints: [{ channel: 'sms', thread: 's1' }],
  })
  t.strictSame(
    (await conversations.history(split.id, { limit: 10 })).items.map((one) => [one.text, one.attachments.length]),
    [
      ['the invoice', 1],
      ['about the invoice', 0],
    ],
  )
  t.strictSame(
    (await conversations.history(id, { limit: 10 })).items.map((one) => one.text),
    ['the chair', 'a note'],
  )
  t.strictSame(await strays(world), none)
  const left = (await conversations.get(id))!
  t.strictSame(left.waitingSince, before.waitingSince, 'who waited still waits')
  t.ok(left.version > before.version)
  t.ok(left.lastMessageAt! <= split.lastMessageAt!)
  t.strictSame((await world.typesOf(split.id)).slice(0, 1), ['conversation.created'])
  t.ok((await world.typesOf(id)).includes('conversation.split'))
  const back = await conversations.join(split.id, id, ada)
  t.equal(back.touchpoints.length, 1)
  t.equal((await conversations.history(id, { limit: 10 })).items.length, 4, 'a join puts them together again')
})

test('a split moves all of the messages or none, and leaves a conversation behind', async (t) => {
  const world = await conversationWorld(t)
  const { conversations } = world
  const id = await world.says('sms', 's1', 'one')
  await world.says('sms', 's1', 'two')
  const other = await world.says('sms', 's2', 'of somebody else')
  const mine = (await conversations.history(id, { limit: 10 })).items.map((one) => one.id)
  const foreign = (await conversations.history(other, { limit: 10 })).items[0]!.id
  const { messageId: note } = await conversations.addNote(id, 'note', ada)
  await t.rejects(conversations.split(id, [mine[0]!, foreign], ada), { code: 'TL_COMMAND_NOT_FOUND' })
  await t.rejects(conversations.split(id, [mine[0]!, 'x'], ada), { code: 'TL_COMMAND_NOT_FOUND' })
  await t.rejects(conversations.split(id, [], ada), { code: 'TL_COMMAND_INVALID' })
  await t.rejects(conversations.split(id, mine, ada), { code: 'TL_COMMAND_INVALID' })
  await t.rejects(conversations.split(id, [note], ada), { code: 'TL_COMMAND_INVALID' })
  t.equal((await conversations.history(id, { limit: 10 })).items.length, 3)
  t.match(await world.rows('select count(*)::int as n from conversation'), [{ n: 2 }])
})

test('a split-off conversation whose customer waits is routed; one that is answered is not', async (t) => {
  const world = await conversationWorld(t)
  const { conversations, rows } = world
  const id = await world.says('whatsapp', '+358400900', 'an invoice')
  await world.says('whatsapp', '+358400900', 'and my parcel')
  const [, parcel] = await rows('select id from message where conversation_id = $1 order by at, id', [id])
  const split = await conversations.split(id, [parcel!['id'] as string], ada)
  t.ok(split.waitingSince)
  t.match(await rows('select state, plan_version from work_item where conversation_id = $1', [split.id]), [
    { state: 'queued', plan_version: 'split' },
  ])
  t.ok((await world.typesOf(split.id)).includes('work.queued'))

  await world.says('whatsapp', '+358400900', 'one more')
  await world.says('whatsapp', '+358400900', 'and the last')
  const open = (await rows('select conversation_id as id from message order by at desc, id desc limit 1'))[0]!['id']
  const said = await rows('select id from message where conversation_id = $1 order by at, id', [open])
  await rows('update conversation set waiting_since = null where id = $1', [open])
  const answered = await conversations.split(open as string, [said.at(-1)!['id'] as string], ada)
  t.equal(answered.waitingSince, null)
  t.strictSame(await rows('select id from work_item where conversation_id = $1', [answered.id]), [])
})
