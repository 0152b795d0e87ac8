import { randomUUID } from 'node:crypto'
import type { FactSubject, Routing, RuleValue } from '@throughline/plugin-sdk'
import { test } from 'tap'
import type { Config } from '../../src/config/contract.js'
import type { FactSource, Instance } from '../../src/plugins/contract.js'
import type { Facts, QueueStat } from '../../src/routing/contract.js'
import { createRouter } from '../../src/routing/router.js'
import { createRuleFacts } from '../../src/routing/rule-facts.js'
import { usesOf } from '../../src/routing/rules/uses.js'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'
import { queue } from './harness.js'

const factsOf = (contact: string, conversation: string, lastAgent: string | null = null): Facts => ({
  now: '2026-05-01T12:00:00Z',
  contact: { id: contact, tier: null, language: null, verified: true, attributes: {} },
  conversation: {
    id: conversation,
    status: 'open',
    priority: 'normal',
    tags: [],
    language: null,
    subject: null,
    isNew: true,
    lastAgent,
  },
  message: { text: 'hi', length: 2, automatic: false, hasAttachments: false },
  channel: { id: 'chat', kind: 'webchat' },
})

const stat = (id: string, waiting: number): QueueStat => ({
  queue: id,
  waiting,
  held: 0,
  offered: 0,
  assigned: 0,
  oldestWaitS: null,
  loggedIn: 2,
  free: 1,
  wait: { p50S: 30, p80S: 90 },
  drainedTo: null,
})

/** Facts have no prototype; as JSON they are what they say. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

type Load = (fact: string, subjects: readonly FactSubject[]) => Promise<readonly RuleValue[]>

function world(store: Store, rules: readonly unknown[], load?: Load, type = 'number') {
  const asked: { fact: string; subjects: readonly FactSubject[] }[] = []
  const reports: string[] = []
  const clock = { at: 0, now: () => clock.at }
  const source: FactSource = {
    instance: 'crm',
    prefix: 'acme',
    facts: ['score', 'unused'],
    typeOf: () => type,
    load: async (fact, subjects) => {
      asked.push({ fact, subjects })
      return load?.(fact, subjects) ?? []
    },
  }
  const facts = createRuleFacts({
    db: store.db,
    uses: () => usesOf(rules),
    board: { latest: () => new Map([['support', stat('support', 3)]]) },
    sources: () => (load === undefined ? [] : [source]),
    report: { plugin: (id, reason, operation) => void reports.push(`${id} ${operation}: ${reason}`) },
    clock,
    log: { warn: (_fields, message) => void reports.push(message) },
  })
  const seen: any[] = []
  const instance: Instance<Routing> = {
    id: 'rules',
    use: 'routing-rules',
    status: () => ({ version: '1' }) as never,
    live: {
      route: (request) => {
        seen.push(request.facts)
        return { to: 'queue', plan: { queue: 'support', priority: 'normal' }, reason: 'r', rule: 'x', version: '1' }
      },
    },
    call: () => Promise.reject(new Error('not used')),
  }
  const router = createRouter({
    instances: () => [instance],
    config: { queues: [queue('support')], defaultQueue: 'support' } as unknown as Config,
    report: { plugin: () => undefined, rule: () => undefined },
    random: () => 0.5,
    facts,
  })
  return {
    asked,
    reports,
    clock,
    seen,
    decide: (batch: readonly Facts[]) =>
      router.decide(batch.map((one) => ({ trigger: 'created', facts: one }))).decisions,
  }
}

test('nothing is loaded that no live rule names', async (t) => {
  const store = await withDatabase(t)
  const { asked, seen, decide } = world(store, [{ '==': [{ var: 'contact.tier' }, 'vip'] }], async () => [1])
  const [made] = decide([factsOf(randomUUID(), randomUUID())])
  t.equal(made?.pending, null)
  t.equal(made?.facts, undefined)
  t.strictSame(asked, [])
  t.notOk('queues' in seen[0])
})

test('figures of queues are one snapshot, at hand, and kept with the decision', async (t) => {
  const store = await withDatabase(t)
  const { decide } = world(store, [{ num_gt: [{ queue_stat: ['support', 'waiting'] }, 2] }])
  const [made] = decide([factsOf(randomUUID(), randomUUID())])
  t.equal(made?.pending, null, 'nobody waits for them')
  t.match(made?.facts, {
    queues: { support: { waiting: 3, logged_in: 2, free: 1, ewt_s: 30, oldest_wait_s: null } },
  })
})

test('facts of plugins are asked once a batch, after the commit, and cached for a while', async (t) => {
  const store = await withDatabase(t)
  const contact = randomUUID()
  const { asked, seen, clock, decide } = world(
    store,
    [{ num_gt: [{ var: 'acme.score' }, 5] }],
    async (_fact, subjects) =>
      subjects.map((one) => (one.identifiers.some(({ value }) => value === '4711') ? 9 : null)),
  )
  const batch = [factsOf(contact, randomUUID()), factsOf(randomUUID(), randomUUID())]
  const decisions = decide(batch)
  t.match(decisions[0], { source: 'facts', work: { held: { reason: 'routing' } } })
  t.strictSame(asked, [], 'nothing is asked before somebody waits for it')
  // What the drain has written by the time of the commit is known to the plugin.
  await store.pool.query(
    `insert into identifier (id, contact_id, kind, value, assurance, resolves, evidence)
     values (gen_random_uuid(), $1, 'account', '4711', 'verified', true, 'test')`,
    [contact],
  )
  const settled = await Promise.all(decisions.map(async (one) => one.pending))
  t.equal(asked.length, 1, 'one call for the batch, and none for the fact nobody names')
  t.match(asked[0], {
    fact: 'score',
    subjects: [{ contact, channel: 'chat', identifiers: [{ kind: 'account', value: '4711' }] }, { identifiers: [] }],
  })
  t.strictSame(
    seen.map((one) => one.acme.score),
    [9, null],
  )
  t.match(settled[0], { source: 'rules', rule: 'x', facts: { acme: { score: 9 }, random: 0.5 } })
  t.match(settled[1], { facts: { acme: { score: null } } })

  await Promise.all(decide(batch).map(async (one) => one.pending))
  t.equal(asked.length, 1, 'cached, null as well')
  clock.at += 30_000
  await Promise.all(decide(batch).map(async (one) => one.pending))
  t.equal(asked.length, 2)
})

test('a plugin that fails, is late, or answers nonsense costs its fact, not the decision', async (t) => {
  const store = await withDatabase(t)
  const uses = [{ var: 'acme.score' }]
  const cases: readonly (readonly [string, Load, RegExp])[] = [
    ['rejects', () => Promise.reject(new Error('secret words')), /^crm facts: the fact score failed/],
    ['too few answers', async () => [1, 2, 3], /not one answer for each subject/],
    ['no list', async () => 'x' as never, /not one answer for each subject/],
    ['another type', async () => ['text'], /something that is not a number/],
    ['never', () => new Promise(() => undefined), /facts of plugins could not be loaded/],
  ]
  for (const [what, load, said] of cases) {
    const { reports, seen, decide } = world(store, uses, load)
    const [made] = decide([factsOf(randomUUID(), randomUUID())])
    t.match(await made?.pending, { source: 'rules', work: { plan: { queue: 'support' } } }, what)
    t.equal(seen[0].acme?.score ?? null, null, what)
    t.match(reports.join(), said, what)
    t.notMatch(reports.join(), /secret/)
  }
})

test('the agent and the history of a contact are facts', async (t) => {
  const store = await withDatabase(t)
  const contact = randomUUID()
  const current = randomUUID()
  await store.pool.query(
    `insert into agent (id, name, email, role, teams, skills, languages)
     values ('mia', 'Mia', 'mia@x.example', 'agent', '{support}', '{"billing": 4}', '{"de": "C1"}')`,
  )
  const add = async (id: string, days: number, status: string, assignee: string | null, channel: string) => {
    const touchpoint = randomUUID()
    await store.pool.query(
      `insert into conversation (id, contact_id, status, assignee, last_touchpoint, created_at, last_message_at)
       values ($1, $2, $3, $4, $5, now() - make_interval(days => $6), now() - make_interval(days => $6))`,
      [id, contact, status, assignee, touchpoint, days],
    )
    await store.pool.query(
      `insert into touchpoint (id, conversation_id, contact_id, channel, thread) values ($1, $2, $3, $4, 't')`,
      [touchpoint, id, contact, channel],
    )
  }
  await add(current, 0, 'open', null, 'now')
  await add(randomUUID(), 2, 'resolved', null, 'mail')
  await add(randomUUID(), 5, 'open', 'mia', 'chat')
  await add(randomUUID(), 20, 'resolved', 'leo', 'sms')
  const { seen, decide } = world(store, [
    { skill_gte: ['billing', 3] },
    { num_gt: [{ contact_stat: ['conversations', '7d'] }, 1] },
  ])
  await Promise.all(
    decide([factsOf(contact, current, 'mia'), factsOf(randomUUID(), randomUUID())]).map(async (one) => one.pending),
  )
  t.same(plain(seen[0].agent), { id: 'mia', teams: ['support'], skills: { billing: 4 }, languages: { de: 'C1' } })
  t.strictSame(plain(seen[0].history), {
    conversations_1d: 0,
    conversations_7d: 2,
    conversations_30d: 3,
    open_conversations: 1,
    last_agent: 'mia',
    last_channel: 'mail',
  })
  t.equal(seen[1].agent, null)
  t.match(seen[1].history, { conversations_30d: 0, last_agent: null })
})
