import fc from 'fast-check'
import { test } from 'tap'
import { decodePlace, encodePlace } from '../../src/conversations/cursor.js'
import { conversationWorld } from './world.js'

test('the timeline is in the order things happened, over all channels, page by page without a gap within one millisecond', async (t) => {
  const world = await conversationWorld(t)
  const id = await world.says('sms', 's1', 'first')
  await world.rows(`delete from message`)
  // Times that differ in microseconds only, and some that do not differ at all.
  await world.rows(
    `insert into message (id, conversation_id, channel, direction, author_kind, text, parts, provider_at)
     select gen_random_uuid(), $1, case when n % 2 = 0 then 'sms' else 'mail' end, 'in', 'customer', n::text, '[]',
       '2026-01-01T00:00:00.123400Z'::timestamptz + (n / 3) * interval '7 microseconds' from generate_series(1, 50) n order by random()`,
    [id],
  )
  const seen: string[] = []
  for (let before: string | undefined; ;) {
    const page = await world.conversations.history(id, { limit: 7, ...(before === undefined ? {} : { before }) })
    seen.unshift(...page.items.map((one) => one.text))
    if (page.next === null) break
    before = page.next
  }
  t.equal(seen.length, 50)
  t.equal(new Set(seen).size, 50)
  const thirds = seen.map((text) => Math.floor(Number(text) / 3))
  t.strictSame(
    thirds,
    thirds.toSorted((a, b) => a - b),
  )
})

test('what was deleted keeps its place and loses its words and attachments; a stored attachment has a signed link', async (t) => {
  const world = await conversationWorld(t)
  const id = await world.says('sms', 's1', 'here it is', {
    parts: [{ type: 'image', media: { url: 'https://cdn.test/a.png', name: 'a.png' } }],
  } as never)
  await world.says('sms', 's1', 'oops', {
    parts: [{ type: 'image', media: { url: 'https://cdn.test/b.png' } }],
  } as never)
  await world.rows(
    `update attachment set state = 'stored', file_key = 'k1', mime = 'image/png', size = 12 where name = 'a.png'`,
  )
  await world.rows(`update message set deleted_at = now() where text = 'oops'`)
  const { items } = await world.conversations.history(id, { limit: 10 })
  t.match(items[0], {
    text: 'here it is',
    attachments: [
      { state: 'stored', mime: 'image/png', size: 12, url: 'https://files.test/k1?name=a.png', reason: null },
    ],
  })
  t.match(items[1], { text: '', parts: [], subject: null, attachments: [], deletedAt: Date })
  t.strictSame(await world.conversations.message(items[0]!.id), items[0])
})

test('conversations are listed by their last message, by every filter, and paged without a gap or a double', async (t) => {
  const world = await conversationWorld(t)
  await world.rows(
    `insert into conversation (id, contact_id, status, queue, assignee, last_message_at)
     select gen_random_uuid(), '01a1fca0-cb4b-75a7-9da7-1c92c7885013',
       case when n % 4 = 0 then 'resolved' when n % 4 = 1 then 'joined' else 'open' end,
       case when n % 2 = 0 then 'a' else 'b' end, case when n % 3 = 0 then 'ada' end,
       '2026-01-01T00:00:00Z'::timestamptz + (n / 3) * interval '3 microseconds' from generate_series(1, 40) n`,
  )
  const all = async (filter: object) => {
    const seen: string[] = []
    for (let cursor: string | undefined; ;) {
      const page = await world.conversations.list({ ...filter, limit: 4, ...(cursor === undefined ? {} : { cursor }) })
      seen.push(...page.items.map((one) => one.id))
      if (page.next === null) return seen
      cursor = page.next
    }
  }
  const count = async (where: string) =>
    (await world.rows(`select id from conversation where ${where} order by last_message_at desc, id desc`)).map(
      (row) => row['id'],
    )
  t.strictSame(await all({}), await count(`status <> 'joined'`))
  t.strictSame(await all({ status: 'open' }), await count(`status = 'open'`))
  t.strictSame(await all({ status: 'joined' }), await count(`status = 'joined'`))
  t.strictSame(
    await all({ queue: 'a', assignee: 'ada' }),
    await count(`queue = 'a' and assignee = 'ada' and status <> 'joined'`),
  )
  t.strictSame(await all({ contact: '01a1fca0-cb4b-75a7-9da7-1c92c7885014' }), [])
})

test('a cursor is read back as it was written, and anything else is refused with a code', (t) => {
  const id = '01a1fca0-cb4b-75a7-9da7-1c92c7885013'
  t.strictSame(decodePlace(encodePlace({ at: '2026-01-01T00:00:00.123456Z', id })), {
    at: '2026-01-01T00:00:00.123456Z',
    id,
  })
  t.equal(decodePlace(undefined), null)
  const refused = (cursor: string) => {
    try {
      decodePlace(cursor)
      return false
    } catch (error) {
      return (error as { code?: string }).code === 'TL_REQUEST_INVALID'
    }
  }
  const forged = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  for (const value of [
    null,
    [],
    [1, id],
    ['2026-01-01', id],
    ['2026-13-41T00:00:00Z', id],
    ['2026-01-01T00:00:00Z', 'x'],
    {},
  ]) {
    t.ok(refused(forged(value)), JSON.stringify(value))
  }
  fc.assert(fc.property(fc.string(), refused))
  fc.assert(fc.property(fc.jsonValue(), (value) => refused(forged(value))))
  t.end()
})
