import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineRouting } from '@throughline/plugin-sdk'
import { test } from 'tap'
import type { Config } from '../../src/config/contract.js'
import type { NewEvent } from '../../src/events/contract.js'
import { createLiveRules, type LiveRules } from '../../src/routing/rules/live-rules.js'
import { createRuleVersions } from '../../src/routing/rules/version-store.js'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'

/** Fails on the facts of one customer; a plugin's operator, because nothing of our own throws. */
const plugin = defineRouting({
  name: 'acme',
  version: '1.0.0',
  config: { type: 'object', properties: {} },
  setup: () => ({ route: () => ({ to: 'pass', reason: '' }) }),
  rules: {
    operators: {
      check: {
        arity: 1,
        types: { args: ['string'], result: 'boolean' },
        fn: (text) => {
          if (text === 'boom') throw new Error('boom')
          return false
        },
        describe: 'Fails on boom.',
      },
    },
  },
})

interface World {
  readonly rules: LiveRules
  readonly events: NewEvent[]
  readonly logged: { level: string; fields: Readonly<Record<string, unknown>> }[]
  write(text: string, file?: string): void
  touched(): void
  clock: { at: number }
}

const file = (version: string, queue: string, when: unknown = true, tests: unknown[] = []): string =>
  JSON.stringify({
    $version: version,
    rules: [
      ...(when === true ? [] : [{ id: 'guarded', when, then: { queue: 'vip' }, stop: true }]),
      { id: 'all', when: true, then: { queue } },
    ],
    tests,
  })

async function world(
  t: { teardown(fn: () => unknown): void },
  store: Store,
  folder = mkdtempSync(join(tmpdir(), 'live-rules-')),
  pollMs = 3_600_000,
): Promise<World> {
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const events: NewEvent[] = []
  const logged: World['logged'] = []
  const clock = { at: 1_000_000, now: () => clock.at }
  let seen: () => void = () => undefined
  const note = (level: string) => (fields: Readonly<Record<string, unknown>>) => void logged.push({ level, fields })
  const rules = createLiveRules({
    config: {
      rulesDir: folder,
      queues: ['support', 'sales', 'vip'].map((id) => ({ id, overflow: null })),
      skills: [],
      teams: [],
    } as unknown as Config,
    definitions: () => [plugin],
    db: store.db,
    events: { append: async (_trx, more) => void events.push(...more), poke: () => undefined },
    clock,
    log: { info: note('info'), warn: note('warn'), error: note('error') },
    watch: {
      settleMs: 5,
      pollMs,
      watch: (_folder, notice) => {
        seen = notice
        return { close: () => undefined }
      },
    },
  })
  t.teardown(() => rules.stop())
  return {
    rules,
    events,
    logged,
    clock,
    touched: () => seen(),
    // As editors do it: the new text takes the old one's place at once.
    write: (text, name = 'routing.json') => {
      writeFileSync(join(folder, `${name}.new`), text)
      renameSync(join(folder, `${name}.new`), join(folder, name))
    },
  }
}

async function until(what: string, check: () => unknown): Promise<void> {
  for (let i = 0; i < 1_000; i++) {
    if (check()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`never: ${what}`)
}

const queueOf = (rules: LiveRules, text = ''): unknown =>
  rules.evaluate('routing', { message: { text } })?.then['queue']

test('R58: an edit goes live without a restart; a refused one changes nothing and is told with place and remedy', async (t) => {
  const { rules, write, touched, events, logged } = await world(t, await withDatabase(t))
  write(file('1', 'vip'))
  await rules.start()
  t.equal(queueOf(rules), 'vip')
  t.match(rules.status()[0], { file: 'routing', source: 'file', version: '1', problems: [], rolledBack: null })

  write(file('2', 'sales'))
  touched()
  await until('version 2 is live', () => rules.version('routing') === '2')
  t.equal(queueOf(rules), 'sales')
  await until('the event', () => events.length > 0)
  t.match(events, [{ type: 'rules.live', data: { file: 'routing', version: '2' } }])

  write(file('3', 'nowhere'))
  touched()
  await until('the refusal', () => events.length > 1)
  t.equal(queueOf(rules), 'sales', 'the last good version goes on')
  t.match(events[1], {
    type: 'rules.refused',
    data: {
      file: 'routing',
      inForce: '2',
      problems: [{ code: 'TL_RULES_INVALID', at: /routing\.json:1:\d+$/, message: /nowhere/, remedy: /Defined/ }],
    },
  })
  t.match(rules.status()[0], { source: 'file', version: '2', problems: [{ severity: 'error', message: /nowhere/ }] })
  t.match(logged.filter((one) => one.level === 'error').at(-1)?.fields, { code: 'TL_RULES_INVALID', inForce: '2' })

  write(file('4', 'vip', true, [{ facts: {}, expect: 'guarded' }]))
  touched()
  await until('the refusal', () => events.length > 2)
  t.match(rules.status()[0]?.problems, [{ message: /there is no rule "guarded"/ }], 'its own tests count')
  t.equal(rules.version('routing'), '2')

  write(file('5', 'support'))
  touched()
  await until('version 5 is live', () => rules.version('routing') === '5')
  t.strictSame(rules.status()[0]?.problems, [])
})

test('an edit that the system does not report is found by looking', async (t) => {
  const { rules, write } = await world(t, await withDatabase(t), undefined, 20)
  write(file('1', 'vip'))
  await rules.start()
  write(file('2', 'sales'))
  await until('version 2 is live', () => rules.version('routing') === '2')
  t.pass('polled')
})

test('a changed text under the same $version goes live with a warning', async (t) => {
  const { rules, write } = await world(t, await withDatabase(t))
  write(file('1', 'vip'))
  await rules.start()
  write(file('1', 'sales'))
  t.match(await rules.reload(), [{ severity: 'warning', message: /still 1/ }])
  t.equal(queueOf(rules), 'sales')
})

test('three errors of a version within a minute bring back the version before; the file has to change first', async (t) => {
  const store = await withDatabase(t)
  const { rules, write, events, clock, touched } = await world(t, store)
  write(file('good', 'sales'))
  await rules.start()
  write(file('bad', 'support', { 'acme:check': [{ var: 'message.text' }] }))
  await rules.reload()
  t.equal(rules.version('routing'), 'bad')

  t.equal(queueOf(rules, 'boom'), 'support', 'the rule that fails counts as not matching')
  queueOf(rules, 'boom')
  clock.at += 61_000
  queueOf(rules, 'boom')
  queueOf(rules, 'boom')
  t.equal(rules.version('routing'), 'bad', 'four errors, but never three in one minute')
  queueOf(rules, 'boom')
  t.equal(rules.version('routing'), 'good')
  t.equal(queueOf(rules, 'boom'), 'sales')
  await until('the event', () => events.some((event) => event.type === 'rules.rolledBack'))
  t.match(
    events.find((event) => event.type === 'rules.rolledBack'),
    { data: { file: 'routing', version: 'bad', inForce: 'good', reason: /3 times/ } },
  )
  t.match(rules.status()[0], { source: 'last_good', version: 'good', rolledBack: { version: 'bad' } })

  await rules.reload({ anew: true })
  t.equal(rules.version('routing'), 'good', 'the same text is not taken again')
  t.match(rules.status()[0]?.problems, [{ code: 'TL_RULES_WITHDRAWN', remedy: /\$version/ }])
  write(file('mended', 'vip'))
  touched()
  await until('the mended file is live', () => rules.version('routing') === 'mended')
  t.match(rules.status()[0], { source: 'file', problems: [] })
  t.equal(await createRuleVersions(store.db).withdrawn('routing', 'unknown'), null)
})

test('a version without one before it is kept although it fails: its other rules are better than none', async (t) => {
  const { rules, write } = await world(t, await withDatabase(t))
  write(file('only', 'support', { 'acme:check': [{ var: 'message.text' }] }))
  await rules.start()
  for (let i = 0; i < 5; i++) t.equal(queueOf(rules, 'boom'), 'support')
  t.equal(rules.version('routing'), 'only')
})

test('P14: a node that starts with a broken file begins with the last good version and says so', async (t) => {
  const store = await withDatabase(t)
  const folder = mkdtempSync(join(tmpdir(), 'live-rules-'))
  const first = await world(t, store, folder)
  first.write(file('old', 'sales'))
  await first.rules.start()
  first.write(file('new', 'vip'))
  await first.rules.reload()
  await first.rules.stop()

  first.write('{ "rules": [ }')
  const second = await world(t, store, folder)
  await second.rules.start()
  t.equal(queueOf(second.rules), 'vip')
  t.match(second.rules.status()[0], {
    source: 'last_good',
    version: 'new',
    problems: [{ position: { line: 1, column: 14 } }],
  })
  await until('the event', () => second.events.length > 0)
  t.match(second.events, [{ type: 'rules.refused', data: { inForce: 'new' } }])

  const none = await world(t, await withDatabase(t))
  none.write('{ "rules": [ }')
  await none.rules.start()
  t.equal(none.rules.evaluate('routing', {}), null, 'nothing good is known: the floor answers')
  t.match(none.rules.status()[0], { source: 'built_in', version: null })
})

test('a version that was taken back is not taken again after a restart, and what it replaced is found again', async (t) => {
  const store = await withDatabase(t)
  const folder = mkdtempSync(join(tmpdir(), 'live-rules-'))
  const first = await world(t, store, folder)
  first.write(file('good', 'sales'))
  await first.rules.start()
  first.write(file('bad', 'support', { 'acme:check': [{ var: 'message.text' }] }))
  await first.rules.reload()
  for (let i = 0; i < 3; i++) queueOf(first.rules, 'boom')
  await first.rules.reload()

  const second = await world(t, store, folder)
  await second.rules.start()
  t.match(second.rules.status()[0], {
    source: 'last_good',
    version: 'good',
    problems: [{ code: 'TL_RULES_WITHDRAWN' }],
  })
})

test('rules go live although the database does not answer', async (t) => {
  const store = await withDatabase(t)
  const { rules, write, logged } = await world(t, store)
  write(file('1', 'vip'))
  await rules.start()
  await store.close()
  write(file('2', 'sales'))
  await rules.reload()
  t.equal(rules.version('routing'), '2')
  t.ok(logged.some((one) => one.level === 'warn'))
})

test('a file that is taken away leaves the built-in rules', async (t) => {
  const store = await withDatabase(t)
  const folder = mkdtempSync(join(tmpdir(), 'live-rules-'))
  const { rules, write, touched } = await world(t, store, folder)
  write(file('1', 'vip'))
  await rules.start()
  rmSync(join(folder, 'routing.json'))
  touched()
  await until('nothing is in force', () => rules.version('routing') === null)
  t.match(rules.status()[0], { source: 'built_in' })
})
