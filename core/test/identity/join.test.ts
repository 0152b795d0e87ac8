import { test } from 'tap'
import type { Actor } from '../../src/identity/contract.js'
import { message } from '../support/pipeline.js'
import { identityWorld } from './world.js'

const agent: Actor = { kind: 'agent', id: 'ada' }
const by = (id: string, more: object = {}) => ({ sender: { id, ...more } })

test('a join moves identifiers, conversations, touchpoints and suggestions, and fills only what the survivor does not know', async (t) => {
  const world = await identityWorld(t)
  const { pipe, identity, store, events } = world
  await pipe.accept('sms', [message('s1', 'by sms', by('s1', { name: 'Ann', profile: { language: 'fr' } }))])
  await pipe.accept('wa', [message('w1', 'by whatsapp', by('w1', { name: 'Bea' }))])
  await pipe.drained()
  const [into, from] = [await world.contactOf('s1'), await world.contactOf('w1')]
  await store.pool.query(
    `update contact set attributes = '{"plan":"gold","seat":1}', tier = 'vip', consent = false where id = $1`,
    [from],
  )
  await store.pool.query(`update contact set attributes = '{"seat":2}', consent = true where id = $1`, [into])
  const { joinId } = await identity.join(from, into, agent, 'the same voice')
  const joined = await identity.contact(into)
  t.match(joined, { name: 'Ann', language: 'fr', tier: 'vip', attributes: { plan: 'gold', seat: 2 }, joinedInto: null })
  t.strictSame(joined?.identifiers.map((one) => one.value).sort(), ['s1', 'w1'])
  t.equal((await identity.contact(from))?.joinedInto, into)
  const { rows } = await store.pool.query(
    `select (select count(*)::int from conversation where contact_id = $1) as c,
      (select count(*)::int from touchpoint where contact_id = $1) as t, (select consent from contact where id = $1) as ok`,
    [into],
  )
  t.strictSame(rows, [{ c: 2, t: 2, ok: false }], 'a refusal of consent by either side is one')
  await pipe.drained()
  t.match(
    events.find((event) => event.type === 'identity.linked'),
    { contact: into, actor: agent, data: { joinId, from } },
  )
  t.match(
    (await identity.contacts({ limit: 10 })).items.map((one) => one.id),
    [into],
    'the list shows who stands on their own',
  )
})

test('a join and its undo leave every table as it was, doubles, suggestions and profile included', async (t) => {
  const world = await identityWorld(t)
  const { pipe, identity, store } = world
  const email = { kind: 'email', value: 'ann@example.com' }
  await pipe.accept('mail', [message('ann@example.com', 'verified', by('ann@example.com', { identifiers: [email] }))])
  const claims = { assurance: 'claimed', identifiers: [email], name: 'Typed Ann', profile: { timeZone: 'Europe/Rome' } }
  await pipe.accept('chat', [message('v1', 'claimed', by('v1', claims))])
  await pipe.accept('chat', [message('v2', 'claimed too', by('v2', claims))])
  await pipe.drained()
  await world.suggested(2)
  const [ann, v1] = [await world.contactOf('ann@example.com').catch(() => ''), await world.contactOf('v1')]
  t.equal(ann, '', 'three contacts know the address')
  const { rows } = await store.pool.query<{ id: string }>(
    `select contact_id as id from identifier where value = 'ann@example.com' and assurance = 'verified' and kind = 'email'`,
  )
  const holder = rows[0]!.id
  // Both hold the same claimed value: a double, of which the moving side's resolves and the staying one's does not.
  await store.pool.query(
    `insert into identifier (id, contact_id, kind, value, assurance, resolves, evidence) values
      (gen_random_uuid(), $1, 'external', 'x-1', 'verified', true, 'crm'),
      (gen_random_uuid(), $2, 'external', 'x-1', 'verified', false, 'crm')`,
    [v1, holder],
  )
  await store.pool.query(`update contact set attributes = '{"a":1,"b":2}' where id = $1`, [v1])
  await store.pool.query(`update contact set attributes = '{"b":3}', consent = true where id = $1`, [holder])
  const suggestions = await identity.suggestions(holder)
  t.equal(suggestions.length, 2, 'each visitor is suggested')
  const before = await world.dump()
  const { joinId } = await identity.join(v1, holder, agent, 'they said so')
  t.notSame(await world.dump(), before)
  t.equal((await identity.suggestions()).length, 1, 'the one between the two is answered, the other stands')
  const resolving = await store.pool.query(`select contact_id from identifier where value = 'x-1' and resolves`)
  t.strictSame(resolving.rows, [{ contact_id: holder }], 'the survivor answers for the double')
  await identity.undo(joinId, agent)
  t.strictSame(await world.dump(), before)
  await t.rejects(identity.undo(joinId, agent), { code: 'TL_COMMAND_CONFLICT' })
})

test('after an undo what came later stays with the survivor, and neither side reads the other', async (t) => {
  const world = await identityWorld(t)
  const { pipe, identity, store } = world
  await pipe.accept('sms', [message('s1', 'old of s1', by('s1'))])
  await pipe.drained()
  await pipe.accept('wa', [message('w1', 'old of w1', by('w1'))])
  await pipe.drained()
  const [into, from] = [await world.contactOf('s1'), await world.contactOf('w1')]
  // The survivor's own conversation is over, so that what it says next lands in the one that was moved.
  await store.pool.query(
    `update conversation set status = 'resolved', resolved_at = now() - interval '10 days' where contact_id = $1`,
    [into],
  )
  const { joinId } = await identity.join(from, into, agent, 'wrong')
  await pipe.accept('wa', [message('w1', 'new of w1', by('w1'))])
  await pipe.drained()
  await pipe.accept('sms', [message('s1', 'new of s1', by('s1'))])
  await pipe.drained()
  const read = async () =>
    (
      await store.pool.query<{ contact: string; texts: string[] }>(
        `select c.contact_id as contact, array_agg(m.text order by m.id) as texts from conversation c
         join message m on m.conversation_id = c.id join touchpoint t on t.id = m.touchpoint_id and t.conversation_id = c.id
         group by c.contact_id, c.id order by min(m.id::text)`,
      )
    ).rows
  t.strictSame(await read(), [
    { contact: into, texts: ['old of s1'] },
    { contact: into, texts: ['old of w1', 'new of w1', 'new of s1'] },
  ])
  await identity.undo(joinId, agent)
  t.strictSame(await read(), [
    { contact: into, texts: ['old of s1'] },
    { contact: from, texts: ['old of w1', 'new of w1'] },
    { contact: into, texts: ['new of s1'] },
  ])
  const { rows } = await store.pool.query(
    `select count(*)::int as wrong from touchpoint t join conversation c on c.id = t.conversation_id
     where t.contact_id <> c.contact_id
        or (c.last_touchpoint is not null and not exists (select 1 from touchpoint k where k.id = c.last_touchpoint and k.conversation_id = c.id))`,
  )
  t.strictSame(rows, [{ wrong: 0 }])
  await pipe.accept('wa', [message('w1', 'and after it', by('w1'))])
  await pipe.drained()
  t.strictSame((await read()).find((one) => one.contact === from)?.texts, ['old of w1', 'new of w1', 'and after it'])
})

test('an undo takes back its side even out of a conversation that was joined into one of the survivor', async (t) => {
  const world = await identityWorld(t)
  const { pipe, identity, store } = world
  await pipe.accept('sms', [message('s1', 'of s1', by('s1'))])
  await pipe.drained()
  await pipe.accept('wa', [message('w1', 'of w1', by('w1'))])
  await pipe.drained()
  const [into, from] = [await world.contactOf('s1'), await world.contactOf('w1')]
  const { joinId } = await identity.join(from, into, agent, 'wrong')
  const { rows } = await store.pool.query<{ id: string }>(
    'select c.id from conversation c join touchpoint t on t.conversation_id = c.id order by t.channel',
  )
  const [sms, wa] = [rows[0]!.id, rows[1]!.id]
  await store.pool.query('update touchpoint set conversation_id = $1 where conversation_id = $2', [sms, wa])
  await store.pool.query('update message set conversation_id = $1 where conversation_id = $2', [sms, wa])
  await store.pool.query(`update conversation set status = 'joined', joined_into = $1 where id = $2`, [sms, wa])
  await identity.undo(joinId, agent)
  const after = await store.pool.query(
    `select m.text, c.contact_id as contact, t.contact_id as owner from message m join conversation c on c.id = m.conversation_id
     join touchpoint t on t.id = m.touchpoint_id and t.conversation_id = c.id order by m.id`,
  )
  t.strictSame(after.rows, [
    { text: 'of s1', contact: into, owner: into },
    { text: 'of w1', contact: from, owner: from },
  ])
  const pointer = await store.pool.query(
    `select c.status, k.contact_id as contact from conversation c join conversation k on k.id = c.joined_into where c.id = $1`,
    [wa],
  )
  t.strictSame(pointer.rows, [{ status: 'joined', contact: from }])
})

test('joins in a chain are undone from the last to the first', async (t) => {
  const world = await identityWorld(t)
  const { pipe, identity } = world
  for (const name of ['a', 'b', 'c']) await pipe.accept('sms', [message(name, `of ${name}`, by(name))])
  await pipe.drained()
  const [a, b, c] = [await world.contactOf('a'), await world.contactOf('b'), await world.contactOf('c')]
  const before = await world.dump()
  const first = await identity.join(a, b, agent, 'one')
  const second = await identity.join(b, c, agent, 'two')
  t.equal((await identity.contact(c))?.identifiers.length, 3)
  await t.rejects(identity.join(a, c, agent, 'again'), { code: 'TL_COMMAND_CONFLICT', details: { joinedInto: b } })
  await t.rejects(identity.undo(first.joinId, agent), { code: 'TL_COMMAND_CONFLICT', details: second })
  await identity.undo(second.joinId, agent)
  await identity.undo(first.joinId, agent)
  t.strictSame(await world.dump(), before)
})

test('two agents who join the same pair in both directions at once make one join', async (t) => {
  const world = await identityWorld(t)
  const { pipe, identity, store } = world
  for (const name of ['a', 'b']) await pipe.accept('sms', [message(name, `of ${name}`, by(name))])
  await pipe.drained()
  const [a, b] = [await world.contactOf('a'), await world.contactOf('b')]
  const results = await Promise.allSettled([
    identity.join(a, b, agent, 'x'),
    identity.join(b, a, agent, 'y'),
    identity.join(a, b, agent, 'z'),
  ])
  t.strictSame(results.map((one) => one.status).sort(), ['fulfilled', 'rejected', 'rejected'])
  for (const one of results) if (one.status === 'rejected') t.match(one.reason, { code: 'TL_COMMAND_CONFLICT' })
  const { rows } = await store.pool.query('select count(*)::int as n from contact where joined_into is not null')
  t.strictSame(rows, [{ n: 1 }])
})
