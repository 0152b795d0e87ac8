import type { Decision, RouteRequest, Routing } from '@throughline/plugin-sdk'
import fc from 'fast-check'
import { test } from 'tap'
import type { Config } from '../../src/config/contract.js'
import type { Instance } from '../../src/plugins/contract.js'
import type { Facts } from '../../src/routing/contract.js'
import { createRouter } from '../../src/routing/router.js'
import { queue } from './harness.js'

const facts: Facts = {
  now: '2026-05-01T12:00:00Z',
  contact: { id: 'c', accountManager: 'mia', tier: null, language: null, verified: true, attributes: { a: { b: 1 } } },
  conversation: {
    id: 'v',
    status: 'open',
    priority: 'normal',
    tags: [],
    language: null,
    subject: null,
    isNew: true,
    lastAgent: 'leo',
  },
  message: { text: 'hi', length: 2, automatic: false, hasAttachments: false },
  channel: { id: 'chat', kind: 'webchat' },
}
const config = { queues: [queue('support'), queue('sales')], defaultQueue: 'support' } as unknown as Config

function instance(id: string, route: ((request: RouteRequest) => unknown) | null): Instance<Routing> {
  return {
    id,
    use: id,
    status: () => ({ version: '1.2.3' }) as never,
    live: route === null ? null : { route: route as Routing['route'] },
    call: async (_operation, timeoutMs, run) => {
      const late = new Promise<never>((_resolve, reject) =>
        setTimeout(() => reject(new Error('too late')), Math.min(timeoutMs, 20)),
      )
      return Promise.race([run({} as Routing, new AbortController().signal), late])
    },
  }
}

function routerOf(...instances: readonly Instance<Routing>[]) {
  const reports: string[] = []
  const router = createRouter({
    instances: () => instances,
    config,
    random: () => 0.25,
    report: { plugin: (id, reason) => void reports.push(`${id}: ${reason}`), rule: () => undefined },
  })
  const decide = () => router.decide([{ trigger: 'created', facts }]).decisions[0]!
  return { decide, reports, router }
}

const toSales: Decision = {
  to: 'queue',
  plan: { queue: 'sales', priority: 'high', preferred: ['account_manager', 'last_agent', 'last_agent'] },
  reason: 'r',
  rule: 'x',
  version: '7',
}

test('the first plugin with an answer decides; names of roles become agents', (t) => {
  const { decide, reports } = routerOf(
    instance('stopped', null),
    instance('passes', () => ({ to: 'pass', reason: '' })),
    instance('decides', () => toSales),
    instance('never', () => t.fail('asked although the decision was made')),
  )
  t.match(decide(), {
    decision: { to: 'queue' },
    source: 'decides',
    version: '7',
    rule: 'x',
    work: { plan: { queue: 'sales' }, held: null, preferred: ['mia', 'leo'] },
    pending: null,
    random: 0.25,
  })
  t.strictSame(reports, [], 'passing is no failure')
  t.end()
})

test('without plugins, and when all fail, the default queue takes it', (t) => {
  const floor = {
    source: 'default',
    work: { plan: { queue: 'support', priority: 'normal' }, held: null },
    pending: null,
  }
  t.match(routerOf().decide(), floor)
  const failing = routerOf(
    instance('throws', () => {
      throw new Error('secret')
    }),
    instance('unknown', () => ({ to: 'queue', plan: { queue: 'nowhere', priority: 'normal' }, reason: '' })),
  )
  t.match(failing.decide(), floor)
  t.strictSame(failing.reports, [
    'throws: route threw an error',
    'unknown: the plan names a queue that is not configured',
  ])
  t.end()
})

test('a promise is not waited for: the item is held, and the answer comes as pending', async (t) => {
  const { decide } = routerOf(
    instance('slow', async () => toSales),
    instance('next', () => t.fail('asked although the first has not answered yet')),
  )
  const decided = decide()
  t.match(decided, { source: 'slow', work: { plan: { queue: 'support' }, held: { until: null, reason: 'routing' } } })
  t.match(await decided.pending, { source: 'slow', work: { plan: { queue: 'sales' }, held: null } })
})

test('a promise that comes too late, fails or is unusable gives way to the next plugin', async (t) => {
  for (const [name, route] of [
    ['too late', () => new Promise(() => undefined)],
    ['fails', async () => Promise.reject(new Error('x'))],
    ['unusable', async () => ({ to: 'queue' })],
  ] as const) {
    const next = routerOf(
      instance('slow', route),
      instance('rules', () => toSales),
    )
    t.match(await next.decide().pending, { source: 'rules', work: { plan: { queue: 'sales' } } }, name)
    t.equal(next.reports.length, 1, name)
    t.match(await routerOf(instance('slow', route)).decide().pending, { source: 'default' }, name)
  }
  const both = routerOf(
    instance('one', () => new Promise(() => undefined)),
    instance('two', async () => toSales),
  )
  t.match(await both.decide().pending, { source: 'two' }, 'the next one may be asynchronous as well')
})

test('to an agent, on hold, and close', (t) => {
  const of = (decision: unknown) => routerOf(instance('p', () => decision)).decide()
  t.match(of({ to: 'agent', id: 'kim', reason: '' }), {
    decision: { plan: { queue: 'support' } },
    work: { preferred: ['kim'] },
  })
  t.match(of({ to: 'hold', until: '2026-05-02T00:00:00Z', reason: '' }).work?.held, {
    until: new Date('2026-05-02T00:00:00Z'),
  })
  t.equal(of({ to: 'close', reason: '' }).work, null)
  t.match(of({ to: 'hold', until: 'soon', reason: '' }), { source: 'default' })
  t.match(of({ to: 'assistant', id: 'bot', reason: '' }), { source: 'default' }, 'no assistant runs here')
  t.end()
})

test('plugins get frozen facts without prototypes, and cannot change what the next one sees', (t) => {
  const { decide } = routerOf(
    instance('vandal', (request) => {
      ;(request.facts['contact'] as { tier: string }).tier = 'vip'
      return toSales
    }),
    instance('honest', (request) => {
      t.equal(Object.getPrototypeOf(request.facts), null)
      t.match(request, {
        facts: { contact: { tier: null, attributes: { a: { b: 1 } } } },
        queues: ['support', 'sales'],
        random: 0.25,
        trigger: 'created',
      })
      return toSales
    }),
  )
  t.match(decide(), { source: 'honest' })
  t.end()
})

test('whatever a plugin answers, there is a decision for a queue that exists', (t) => {
  const value = fc.oneof(
    fc.anything(),
    fc.record(
      {
        to: fc.constantFrom('queue', 'agent', 'hold', 'close', 'assistant', 'pass', 'x'),
        id: fc.anything(),
        until: fc.anything(),
        plan: fc.anything(),
      },
      { requiredKeys: ['to'] },
    ),
    fc.record({
      to: fc.constant('queue'),
      plan: fc.record(
        {
          queue: fc.constantFrom('support', 'x', 1),
          priority: fc.constantFrom('high', 'x', null),
          headStartS: fc.anything(),
          steps: fc.anything(),
          preferred: fc.anything(),
        },
        { requiredKeys: [] },
      ),
    }),
  )
  fc.assert(
    fc.property(value, (answer) => {
      const { work, pending } = routerOf(instance('p', () => answer)).decide()
      void pending?.then(undefined, () => t.fail('pending rejected'))
      if (work === null) return (answer as { to: string }).to === 'close'
      return (
        ['support', 'sales'].includes(work.plan.queue) &&
        ['urgent', 'high', 'normal', 'low'].includes(work.plan.priority)
      )
    }),
    { numRuns: 2000 },
  )
  t.end()
})
