import { test } from 'tap'
import type { Actor } from '../../src/identity/contract.js'
import { message } from '../support/pipeline.js'
import { identityWorld, type World } from './world.js'

const agent: Actor = { kind: 'agent', id: 'ada' }
const email = { kind: 'email', value: 'ann@example.com' }

/** Ann by verified mail, and a visitor who typed her address. */
async function claimed(world: World): Promise<{ ann: string; visitor: string; suggestion: string }> {
  await world.pipe.accept('mail', [
    message('t1', 'verified', { sender: { id: 'mail-ann', identifiers: [email], name: 'Ann' } }),
  ])
  await world.pipe.accept('chat', [
    message('v1', 'typed', { sender: { id: 'visitor', assurance: 'claimed', identifiers: [email] } }),
  ])
  await world.pipe.drained()
  await world.suggested(1)
  const [ann, visitor] = [await world.contactOf('mail-ann'), await world.contactOf('visitor')]
  const [found] = await world.identity.suggestions(visitor)
  return { ann, visitor, suggestion: found!.id }
}

test('a confirmed suggestion joins the claimant into the one who holds the address verified, once', async (t) => {
  const world = await identityWorld(t)
  const { identity, store } = world
  const { ann, visitor, suggestion } = await claimed(world)
  const { joinId } = await identity.confirm(suggestion, agent)
  t.equal((await identity.contact(visitor))?.joinedInto, ann)
  await t.rejects(identity.confirm(suggestion, agent), { code: 'TL_COMMAND_CONFLICT' })
  await t.rejects(identity.reject(suggestion, agent), { code: 'TL_COMMAND_CONFLICT' })
  const { rows } = await store.pool.query('select state, decided_by from identity_suggestion')
  t.strictSame(rows, [{ state: 'confirmed', decided_by: 'ada' }])
  await identity.undo(joinId, agent)
  t.equal((await identity.suggestions(ann)).length, 1, 'an undone join asks again')
})

test('a rejected suggestion stays rejected when the same claim comes again, also after the claimant was joined elsewhere', async (t) => {
  const world = await identityWorld(t)
  const { identity, pipe } = world
  const { visitor, suggestion } = await claimed(world)
  await identity.reject(suggestion, agent)
  t.strictSame(await identity.suggestions(), [])
  const again = { sender: { id: 'visitor', assurance: 'claimed' as const, identifiers: [email] } }
  await pipe.accept('chat', [message('v1', 'typed again', again)])
  await pipe.accept('sms', [message('s1', 'another', { sender: { id: 's1' } })])
  await pipe.drained()
  t.strictSame(await identity.suggestions(), [])
  await identity.join(visitor, await world.contactOf('s1'), agent, 'same person')
  await pipe.accept('chat', [message('v1', 'typed a third time', again)])
  await pipe.drained()
  t.strictSame(await identity.suggestions(), [])
  t.match(
    world.events.find((event) => event.type === 'identity.rejected'),
    { actor: agent, data: { suggestionId: suggestion } },
  )
})

test('two decisions about one suggestion at the same moment: one of them counts', async (t) => {
  const world = await identityWorld(t)
  const { suggestion } = await claimed(world)
  const results = await Promise.allSettled([
    world.identity.confirm(suggestion, agent),
    world.identity.reject(suggestion, agent),
    world.identity.confirm(suggestion, agent),
  ])
  t.equal(results.filter((one) => one.status === 'fulfilled').length, 1)
  for (const one of results) if (one.status === 'rejected') t.match(one.reason, { code: 'TL_COMMAND_CONFLICT' })
})

test('an identifier somebody else holds verified is not taken away: the agent is told, and a suggestion stays', async (t) => {
  const world = await identityWorld(t)
  const { identity, pipe, events } = world
  await pipe.accept('mail', [message('t1', 'verified', { sender: { id: 'mail-ann', identifiers: [email] } })])
  await pipe.accept('sms', [message('s1', 'someone', { sender: { id: 's1' } })])
  await pipe.drained()
  const [ann, other] = [await world.contactOf('mail-ann'), await world.contactOf('s1')]
  await t.rejects(identity.link(other, { ...email, assurance: 'verified' }, agent), {
    code: 'TL_COMMAND_CONFLICT',
    details: { other: ann },
  })
  t.match(await identity.suggestions(other), [{ kind: 'email', state: 'open' }])
  t.strictSame(
    (await identity.contact(other))?.identifiers.map((one) => one.kind),
    ['sender:sms'],
  )
  await pipe.drained()
  t.equal(events.filter((event) => event.type === 'identity.suggested').length, 1)
})

test('of two agents who give one address to two contacts at the same moment, one is told', async (t) => {
  const world = await identityWorld(t)
  const { identity, pipe } = world
  for (const id of ['s1', 's2']) await pipe.accept('sms', [message(id, 'hello', { sender: { id } })])
  await pipe.drained()
  const contacts = [await world.contactOf('s1'), await world.contactOf('s2')]
  const results = await Promise.allSettled(
    contacts.map((contact) => identity.link(contact, { ...email, assurance: 'verified' }, agent)),
  )
  t.strictSame(results.map((one) => one.status).sort(), ['fulfilled', 'rejected'])
  t.equal((await identity.suggestions()).length, 1)
})

test('a linked identifier has its normal form, finds its contact from then on, and can be taken away again', async (t) => {
  const normalise = async (kind: string, value: string) =>
    kind === 'phone' ? `+1${value.replaceAll(/\D/g, '')}` : value
  const world = await identityWorld(t, { normalise })
  const { identity, pipe } = world
  await pipe.accept('chat', [message('v1', 'hello', { sender: { id: 'v1' } })])
  await pipe.drained()
  const contact = await world.contactOf('v1')
  await identity.link(contact, { kind: 'phone', value: ' (555) 000-1111 ', assurance: 'verified' }, agent)
  await identity.link(contact, { kind: 'phone', value: '555 0001111', assurance: 'verified' }, agent)
  const phone = { kind: 'phone', value: '+15550001111' }
  t.match((await identity.contact(contact))?.identifiers, [
    { kind: 'sender:chat' },
    { ...phone, evidence: 'added by an agent' },
  ])
  await pipe.accept('sms', [message('x', 'by phone', { sender: { id: 'x', identifiers: [phone] } })])
  await pipe.drained()
  t.equal(await world.contactOf('x'), contact)
  const found = (await identity.contact(contact))!
  const id = (kind: string) => found.identifiers.find((one) => one.kind === kind)!.id
  await identity.unlink(contact, id('phone'), agent)
  await t.rejects(identity.unlink(contact, id('phone'), agent), { code: 'TL_COMMAND_NOT_FOUND' })
  await t.rejects(identity.unlink(contact, id('sender:chat'), agent), { code: 'TL_COMMAND_NOT_FOUND' })
  await t.rejects(identity.link(contact, { kind: 'sender:sms', value: 'victim', assurance: 'verified' }, agent), {
    code: 'TL_COMMAND_INVALID',
  })
  await t.rejects(identity.link(contact, { kind: 'email', value: ' ', assurance: 'claimed' }, agent), {
    code: 'TL_COMMAND_INVALID',
  })
})

test('an update changes what it names, refuses an outdated version, and stores text PostgreSQL would refuse', async (t) => {
  const world = await identityWorld(t)
  const { identity, pipe } = world
  await pipe.accept('sms', [message('s1', 'hello', { sender: { id: 's1', name: 'Ann' } })])
  await pipe.drained()
  const id = await world.contactOf('s1')
  const { version } = (await identity.contact(id))!
  const hostile = JSON.parse('{"note":"a\\u0000b","__proto__":{"x":"\\ud800"},"deep\\u0000":[1,"\\u0000"]}') as Record<
    string,
    unknown
  >
  const after = await identity.update(id, { tier: 'vip', attributes: hostile }, agent, version)
  t.match(after, {
    name: 'Ann',
    tier: 'vip',
    version: version + 1,
    attributes: { note: 'a\ufffdb', 'deep\ufffd': [1, '\ufffd'] },
  })
  await t.rejects(identity.update(id, { name: 'Bea' }, agent, version), {
    code: 'TL_COMMAND_CONFLICT',
    details: { current: version + 1 },
  })
  t.match(await identity.update(id, { tier: null }, agent), {
    tier: null,
    name: 'Ann',
    attributes: { note: 'a\ufffdb' },
  })
  await t.rejects(identity.update(id, { attributes: { a: 'x'.repeat(40_000) } }, agent), { code: 'TL_COMMAND_INVALID' })
  await pipe.drained()
  t.match(
    world.events.find((event) => event.type === 'contact.updated'),
    { contact: id, data: { changed: ['tier', 'attributes'], version: version + 1 } },
  )
})

test('contacts are searched by the beginning of a name or identifier, literally, and paged without a gap or a double', async (t) => {
  const world = await identityWorld(t)
  const { identity, pipe } = world
  for (let i = 0; i < 12; i++) {
    await pipe.accept('sms', [
      message(`id${i}`, 'hello', { sender: { id: `id${i}`, name: i % 2 ? `Zoë ${i}` : `100% ${i}` } }),
    ])
  }
  await pipe.drained()
  const seen: string[] = []
  for (let cursor: string | undefined; ;) {
    const page = await identity.contacts({ limit: 5, ...(cursor === undefined ? {} : { cursor }) })
    seen.push(...page.items.map((one) => one.id))
    if (page.next === null) break
    cursor = page.next
  }
  t.equal(new Set(seen).size, 12)
  t.equal(seen.length, 12)
  t.equal((await identity.contacts({ limit: 20, query: 'zoë' })).items.length, 6)
  t.equal((await identity.contacts({ limit: 20, query: '100%' })).items.length, 6)
  t.equal((await identity.contacts({ limit: 20, query: '%' })).items.length, 0)
  t.equal((await identity.contacts({ limit: 20, query: 'id1' })).items.length, 3)
  t.equal((await identity.contacts({ limit: 20, query: 'a\0' })).items.length, 0)
  await t.rejects(identity.contacts({ limit: 5, cursor: 'nonsense' }), { code: 'TL_REQUEST_INVALID' })
})

test('ids that are none, or belong to nobody, are answered as not found', async (t) => {
  const { identity } = await identityWorld(t)
  for (const id of ['', 'x', "' or 1=1", '01a1fca0-cb4b-75a7-9da7-1c92c7885013']) {
    t.equal(await identity.contact(id), null)
    t.strictSame(await identity.suggestions(id), [])
    const acts: (() => Promise<unknown>)[] = [
      () => identity.join(id, '01a1fca0-cb4b-75a7-9da7-1c92c7885014', agent, 'x'),
      () => identity.undo(id, agent),
      () => identity.confirm(id, agent),
      () => identity.reject(id, agent),
      () => identity.update(id, { name: 'x' }, agent),
      () => identity.link(id, { ...email, assurance: 'claimed' }, agent),
      () => identity.unlink(id, id, agent),
    ]
    for (const act of acts) {
      const error = await act().catch((reason: unknown) => reason)
      t.match(error, { code: 'TL_COMMAND_NOT_FOUND' })
    }
  }
})
