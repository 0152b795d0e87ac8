import { fileURLToPath } from 'node:url'
import { defineRouting, type FactSubject, type PluginDef } from '@throughline/plugin-sdk'
import { rulesConformance, type TestApi } from '@throughline/plugin-sdk/testing'
import nock from 'nock'
import { test } from 'tap'
import { loadPlugin } from '../../src/plugins/loader.js'
import { readRuleFile } from '../../src/routing/rules/rule-file.js'
import { withDatabase } from '../support/database.js'
import { channel, testHost } from './support.js'

const folder = fileURLToPath(new URL('../../../../examples/plugins/rules-loyalty', import.meta.url))
const settings = { url: 'https://points.example/lookup', token: 'points-token' }
const subject = (account: string, assurance: 'verified' | 'claimed' = 'verified'): FactSubject => ({
  contact: 'c',
  conversation: 'v',
  channel: 'chat',
  identifiers: [{ kind: 'account', value: account, assurance }],
})

function loyaltySystem(): nock.Scope {
  return nock('https://points.example', { reqheaders: { authorization: 'Bearer points-token' } })
    .persist()
    .post('/lookup')
    .reply(200, { points: { 4711: 12_000, 4712: 90 } })
}

test('the example of rule operators and facts passes the conformance kit', async (t) => {
  t.teardown(() => nock.cleanAll())
  loyaltySystem()
  const { def } = await loadPlugin(folder, folder)
  const report = await rulesConformance(t, def, {
    config: settings,
    subjects: [subject('4711'), subject('4712')],
    unknown: subject('nobody'),
  })
  t.strictSame(report.passed, ['X1', 'X2', 'X3', 'X4', 'X5'])
  t.equal(report.grade, 'gold')
})

test('the example’s facts are loaded through its instance, and its operator decides in a rule file', async (t) => {
  t.teardown(() => nock.cleanAll())
  loyaltySystem()
  const store = await withDatabase(t)
  const { host } = await testHost(t, store, { routing: [channel('loyalty', folder, { config: settings })] })
  await host.start()
  t.match(host.statuses(), [{ id: 'loyalty', state: 'running', plugin: 'loyalty' }])
  const [source] = host.factSources()
  t.match(source, { instance: 'loyalty', prefix: 'loyalty', facts: ['points'] })
  t.equal(source!.typeOf('points'), 'number')
  t.strictSame(await source!.load('points', [subject('4711'), subject('4711', 'claimed')], 500), [12_000, null])

  const text = JSON.stringify({
    $version: '1',
    rules: [
      {
        id: 'gold',
        when: { 'loyalty:level_gte': [{ var: 'loyalty.points' }, 'gold'] },
        then: { queue: 'vip' },
        stop: true,
      },
      { id: 'others', when: true, then: { queue: 'support' } },
    ],
    tests: [
      { facts: { loyalty: { points: 12000 } }, expect: 'gold' },
      { facts: { loyalty: { points: null } }, expect: 'others' },
    ],
  })
  const queues = new Map(['support', 'vip'].map((id) => [id, null] as const))
  const context = { queues, skills: [], teams: [], definitions: host.definitions() }
  const loaded = readRuleFile(text, 'routing.json', 'routing', context)
  t.strictSame(loaded.problems, [])
  const compared = readRuleFile(
    text.replace('"loyalty:level_gte":[{"var":"loyalty.points"},"gold"]', '">":[{"var":"loyalty.points"},5]'),
    'f',
    'routing',
    context,
  )
  t.match(compared.problems[0], { message: /may be null/ }, 'a fact of a plugin is nullable: the plugin can be down')

  nock.cleanAll()
  nock('https://points.example').post('/lookup').delay(2_000).reply(200, {})
  await t.rejects(source!.load('points', [subject('4711')], 100), { code: 'TL_PLUGIN_TIMEOUT' })
})

/** Remembers instead of showing: the failures are what is tested. */
function silentApi(): TestApi {
  const api: TestApi = { test: async (_name, run) => run(api), ok: () => undefined, equal: () => undefined }
  return api
}

test('the kit finds operators that look at the clock, throw, or answer another type, and facts out of order', async (t) => {
  const make = (rules: unknown): PluginDef =>
    defineRouting({
      name: 'bad',
      version: '1.0.0',
      config: { type: 'object', properties: {} },
      setup: () => ({ route: () => ({ to: 'pass', reason: '' }) }),
      rules: rules as never,
    })
  const types = { args: ['any'], result: 'boolean' }
  const describe = 'Something that is described.'
  const operator = (fn: unknown, more: object = {}) =>
    make({ operators: { op: { arity: 1, types, describe, fn, ...more } } })
  const fact = (load: unknown) => make({ facts: { f: { schema: { type: 'number', description: describe }, load } } })
  const cases: readonly (readonly [string, PluginDef, string])[] = [
    ['the clock', operator(() => Date.now() > 0), 'X1'],
    ['chance', operator(() => Math.random() > 0.5), 'X1'],
    ['throws for null', operator((value: string) => value.length > 0), 'X2'],
    ['a promise', operator(async () => true), 'X2'],
    ['another type', operator(() => 'yes'), 'X3'],
    ['no description', operator(() => true, { describe: '' }), 'X4'],
    ['too few answers', fact(async () => []), 'X5'],
    ['any order', fact(async (batch: FactSubject[]) => batch.map((_, index) => index)), 'X5'],
    ['another type of fact', fact(async (batch: FactSubject[]) => batch.map(() => 'x')), 'X5'],
  ]
  for (const [what, plugin, id] of cases) {
    const failed = await rulesConformance(silentApi(), plugin, {
      config: {},
      subjects: [subject('1'), subject('2')],
    }).then(
      (report) => report.failed,
      () => [id],
    )
    t.ok(failed.includes(id), `${what}: ${failed.join(' ')}`)
  }
})
