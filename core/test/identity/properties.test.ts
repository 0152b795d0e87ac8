import fc from 'fast-check'
import { test } from 'tap'
import type { Sender } from '@throughline/plugin-sdk'
import { systemClock } from '../../src/clock.js'
import { createIds } from '../../src/ids.js'
import { joinContacts } from '../../src/identity/join.js'
import { IdentityResolver, StaleBatch } from '../../src/identity/resolve.js'
import { withDatabase } from '../support/database.js'
import { message, silent } from '../support/pipeline.js'
import { identityWorld } from './world.js'

const nowhere = { append: async () => undefined, poke: () => undefined }

/** Few values, so that claims hit what others hold. */
const emails = ['ann@example.com', 'bob@example.com']
const identifiers = fc.subarray(
  [
    ...emails.map((value) => ({ kind: 'email', value })),
    { kind: 'phone', value: '+15550001111' },
    { kind: 'account', value: 'acc-1' },
    { kind: 'device', value: 'dev-1' },
  ],
  { minLength: 0 },
)
const victims: readonly Sender[] = [
  {
    id: 'ann',
    identifiers: [
      { kind: 'email', value: emails[0]! },
      { kind: 'account', value: 'acc-1' },
    ],
  },
  {
    id: 'bob',
    identifiers: [
      { kind: 'email', value: emails[1]! },
      { kind: 'phone', value: '+15550001111' },
    ],
  },
]
/** A whole sender nobody vouches for, or one whose own id is vouched for while what it says about itself is not. */
const liars: fc.Arbitrary<Sender> = fc.record({
  id: fc.constantFrom('v1', 'v2', 'ann', 'bob'),
  assurance: fc.constant('claimed' as const),
  identifiers: identifiers.map((all) => all.map((one) => ({ ...one, assurance: 'verified' as const }))),
})
const boasters: fc.Arbitrary<Sender> = fc.record({
  id: fc.constantFrom('w1', 'w2'),
  identifiers: identifiers.map((all) => all.map((one) => ({ ...one, assurance: 'claimed' as const }))),
})

test('no sequence of claimed inputs joins, changes or reaches the contact of a verified customer', async (t) => {
  const store = await withDatabase(t)
  const ids = createIds(systemClock)
  const resolver = new IdentityResolver({
    db: store.db,
    events: nowhere,
    ids,
    log: silent,
    plugins: () => [],
    join: (trx, from, into, evidence) =>
      joinContacts(trx, { ids, from, into, evidence, actor: { kind: 'system', id: null } }),
  })
  const resolve = async (channel: string, senders: readonly Sender[]): Promise<string[]> => {
    for (;;) {
      const prepared = await resolver.prepare(senders.map((sender) => ({ channel, sender })))
      try {
        const done = await store.db.transaction().execute((trx) => resolver.resolve(trx, prepared))
        await resolver.suggest(done.told)
        return done.resolved.map((one) => one.contact.id)
      } catch (error) {
        if (!(error instanceof StaleBatch)) throw error
      }
    }
  }
  const known = async (contacts: readonly string[]) =>
    (
      await store.pool.query(
        `select c.id, c.name, c.joined_into, array_agg(i.kind || ':' || i.value || ':' || i.assurance || ':' || i.resolves order by 1) as who
         from contact c join identifier i on i.contact_id = c.id where c.id = any($1) group by c.id order by c.id`,
        [contacts],
      )
    ).rows
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.oneof(liars, boasters), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 5 }),
      async (batches) => {
        await store.pool.query('truncate contact, identifier, identity_suggestion, contact_join cascade')
        const verified = [...(await resolve('mail', [victims[0]!])), ...(await resolve('mail', [victims[1]!]))]
        const before = await known(verified)
        for (const batch of batches) {
          const reached = await resolve('chat', batch)
          if (reached.some((contact) => verified.includes(contact))) return false
        }
        const { rows } = await store.pool.query<{ n: number }>('select count(*)::int as n from contact_join')
        return rows[0]!.n === 0 && JSON.stringify(await known(verified)) === JSON.stringify(before)
      },
    ),
    { numRuns: 60 },
  )
  t.pass('60 sequences')
})

test('whatever two contacts hold, a join and its undo restore the exact state', async (t) => {
  const world = await identityWorld(t)
  const { identity, pipe, store } = world
  const agent = { kind: 'agent', id: 'ada' } as const
  const profile = fc.record({
    name: fc.option(fc.constantFrom('Ann', 'Bea')),
    tier: fc.option(fc.constantFrom('vip', 'basic')),
    consent: fc.option(fc.boolean()),
    attributes: fc.dictionary(
      fc.constantFrom('a', 'b', 'c'),
      fc.oneof(fc.integer(), fc.constant(null), fc.string({ unit: 'grapheme-ascii' })),
    ),
  })
  const held = fc.subarray(
    ['email:a', 'email:b', 'phone:1', 'device:d'].flatMap((one) => [`${one}:verified`, `${one}:claimed`]),
  )
  const side = fc.record({ profile, held, messages: fc.integer({ min: 0, max: 3 }) })
  let run = 0
  await fc.assert(
    fc.asyncProperty(side, side, fc.boolean(), async (left, right, turned) => {
      run += 1
      const contacts: string[] = []
      for (const [name, one] of [
        ['l', left],
        ['r', right],
      ] as const) {
        const sender = `${name}${run}`
        for (let i = 0; i <= one.messages; i++) await pipe.accept(`ch${i % 2}-${name}`, [message(sender, `text ${i}`)])
        await pipe.drained()
        const id = (
          await store.pool.query<{ id: string }>('select contact_id as id from identifier where value = $1 limit 1', [
            sender,
          ])
        ).rows[0]!.id
        contacts.push(id)
        await store.pool.query('update contact set name = $2, tier = $3, consent = $4, attributes = $5 where id = $1', [
          id,
          one.profile.name,
          one.profile.tier,
          one.profile.consent,
          JSON.stringify(one.profile.attributes),
        ])
        for (const key of one.held) {
          const [kind, value, assurance] = key.split(':')
          await store.pool.query(
            `insert into identifier (id, contact_id, kind, value, assurance, resolves, evidence)
             select gen_random_uuid(), $1, $2, $3, $4, $4 = 'verified' and not exists
               (select 1 from identifier where kind = $2 and value = $3 and assurance = $4 and resolves), 'test'`,
            [id, kind, `${value}${run}`, assurance],
          )
        }
      }
      const [from, into] = turned ? contacts.toReversed() : contacts
      const before = JSON.stringify(await world.dump())
      const { joinId } = await identity.join(from!, into!, agent, 'property')
      await identity.undo(joinId, agent)
      return JSON.stringify(await world.dump()) === before
    }),
    { numRuns: 25 },
  )
  t.pass('25 pairs')
})
