import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineRouting } from '@throughline/plugin-sdk'
import { createCalendars } from '../../src/calendars/calendar.js'
import { test } from 'tap'
import type { Config } from '../../src/config/contract.js'
import { createRules, ruleFileCheck } from '../../src/routing/rules/rules.js'
import { loadRuleFile, readRuleFile, type RuleFileContext } from '../../src/routing/rules/rule-file.js'

const names: RuleFileContext = {
  queues: new Map([
    ['support', null],
    ['sales', 'support'],
    ['vip', null],
  ]),
  skills: ['billing', 'product'],
  teams: ['support', 'sales'],
  definitions: [],
}

const file = (rules: unknown, more: object = {}): string =>
  JSON.stringify({ $version: '1', rules, tests: [], ...more }, null, 1)
const rule = (when: unknown, then: unknown = { queue: 'support' }, more: object = {}): string =>
  file([
    { id: 'r', when, then, ...more },
    { id: 'end', when: true, then: { queue: 'support' }, stop: true },
  ])
const deep = (levels: number): unknown => (levels === 0 ? true : { '!': [deep(levels - 1)] })

/** What is wrong, by the words of the message, and the path where it stands. */
const broken: readonly [what: string, text: string, message: RegExp, path?: string][] = [
  ['no JSON', '{ "rules": [ }', /JSON value is expected/],
  ['a comma too many', '{ "a": 1, }', /key in double quotes/],
  ['a key twice', '{ "a": 1, "a": 2 }', /stands here twice/],
  ['__proto__ as a key', '{ "__proto__": {} }', /not allowed/],
  ['text after the end', '{} {}', /goes on after the end/],
  ['an empty file', '', /ends too early/],
  ['depth 100,000', '['.repeat(100_000), /deeper than 100/],
  ['not an object', '[]', /is a JSON object/],
  ['no version', '{"rules":[]}', /no version/, '$version'],
  ['no rules', '{"$version":"1","rules":[]}', /at least one rule/, 'rules'],
  ['an unknown key', file([], { ruls: 1 }), /"ruls" is not known here, did you mean "rules"/, 'ruls'],
  ['two keys in a condition', rule({ '==': [1, 1], and: [true] }), /exactly one operator/, 'rules[0].when'],
  ['an empty condition', rule({}), /exactly one operator/],
  ['an unknown operator', rule({ '=': [1, 1] }), /"=" is not an operator/],
  ['a misspelt operator', rule({ has_eny: [{ var: 'conversation.tags' }, ['a']] }), /did you mean "has_any"/],
  [
    'an unknown operator behind a stop',
    rule({ or: [true, { boom: 1 }] }),
    /"boom" is not an operator/,
    'rules[0].when.or[1]',
  ],
  ['log', rule({ log: 'x' }), /"log" is not allowed/],
  ['method', rule({ method: ['x', 'toString'] }), /"method" is not allowed/],
  ['a plugin’s operator without the plugin', rule({ 'acme:tier': [1] }), /"acme:tier" is not an operator/],
  ['too few arguments', rule({ '==': [1] }), /takes 2 arguments, here are 1/],
  ['too many arguments', rule({ num_lt: [1, 2, 3] }), /takes 2 arguments, here are 3/],
  ['nested too deep', rule(deep(40)), /deeper than 32/],
  ['too many nodes', rule({ and: Array.from({ length: 600 }, () => ({ '!': [true] })) }), /more than 500 nodes/],
  ['a long text', rule({ eq_ci: [{ var: 'message.text' }, 'x'.repeat(1025)] }), /more than 1024 characters/],
  ['a long list', rule({ in: ['x', Array.from({ length: 1001 }, () => 'x')] }), /more than 1000 elements/],
  [
    'an unknown fact',
    rule({ '==': [{ var: 'contact.teir' }, 'vip'] }),
    /no fact "contact.teir", did you mean "contact.tier"/,
  ],
  ['an unknown fact in missing', rule({ missing: ['contact.nam'] }), /no fact "contact.nam"/],
  ['constructor.constructor', rule({ var: 'constructor.constructor' }), /"constructor" cannot be read/],
  ['__proto__ in a path', rule({ var: 'contact.__proto__' }), /"__proto__" cannot be read/],
  ['prototype by val', rule({ val: ['contact', 'prototype'] }), /"prototype" cannot be read/],
  ['a computed path', rule({ var: { cat: ['contact', '.tier'] } }), /takes the path of a fact as a text/],
  [
    'an outer fact inside a list operator',
    rule({ some: [{ var: 'conversation.tags' }, { '==': [{ var: 'contact.tier' }, 'x'] }] }),
    /only the element/,
  ],
  ['a list operator on a text', rule({ some: [{ var: 'message.text' }, true] }), /works on a list/],
  [
    'a nullable comparison',
    rule({ '<': [{ minutes_since: [{ var: 'now' }] }, { var: 'message.length' }] }),
    /may be null/,
  ],
  ['a number with a text', rule({ '>': [3, 'x'] }), /compares a number with a string/],
  ['times compared as texts', rule({ '<': [{ var: 'now' }, '2026-01-01T00:00:00Z'] }), /compares times as texts/],
  ['arithmetic on null', rule({ '+': [{ var: 'contact.attributes.age' }, 1] }), /does not handle that/],
  [
    'a wrong type',
    rule({ contains_word: [{ var: 'conversation.isNew' }, 'x'] }),
    /takes a string here, this is a boolean/,
  ],
  ['a time without an offset', rule({ before: [{ var: 'now' }, '2026-01-01T00:00:00'] }), /is not a time/],
  ['an unknown table', rule({ '!!': [{ lookup: ['vips', 'a'] }] }), /no table "vips"/],
  ['an unknown tier', rule({ tier_gte: [{ var: 'contact.tier' }, 'gold'] }), /not one of the tiers/],
  ['an unknown skill of an agent', rule({ skill_gte: ['biling', 3] }), /"biling" is not a skill/],
  ['a level that is none', rule({ lang_gte: ['de', 'D1'] }), /"D1" is not a level/],
  ['an unknown team of an agent', rule({ in_team: ['suport'] }), /"suport" is not a team.*did you mean "support"/],
  ['a figure of an unknown queue', rule({ num_gt: [{ queue_stat: ['vpi', 'waiting'] }, 1] }), /"vpi" is not a queue/],
  ['an unknown figure of a queue', rule({ num_gt: [{ queue_stat: ['vip', 'wait'] }, 1] }), /no figure of a queue/],
  [
    'an unknown figure of a contact',
    rule({ num_gt: [{ contact_stat: ['conversations', '9d'] }, 1] }),
    /no figure of a/,
  ],
  ['a nullable figure compared', rule({ '>': [{ queue_stat: ['vip', 'waiting'] }, 1] }), /may be null/],
  [
    'a network that is none',
    rule({ ip_in_cidr: [{ var: 'contact.attributes.ip' }, ['10.0.0.0/33']] }),
    /not a network/,
  ],
  ['a country that is none', rule({ country_in: [{ var: 'contact.language' }, ['Germany']] }), /not a country/],
  ['a currency that is none', rule({ amount_gte: [{ var: 'contact.attributes.o' }, 5, 'euro'] }), /not a currency/],
  ['a rule that is a list', file([[1]]), /a rule is an object/],
  ['an outcome that is a text', rule(true, 'support'), /an object is expected/],
  ['a head start of a week', rule(true, { queue: 'support', head_start_s: 604_800 }), /from -86400 to 86400/],
  ['tags that are numbers', rule(true, { queue: 'support', tags: [7] }), /a text is expected/],
  ['more than 20 steps', rule(true, { queue: 'support', steps: Array.from({ length: 21 }, () => ({})) }), /at most 20/],
  ['a plugin’s fact without the plugin', rule({ '==': [{ var: 'acme.score' }, 1] }), /no fact "acme.score"/],
  ['no id', file([{ when: true, then: { queue: 'support' } }]), /needs an id/, 'rules[0].id'],
  [
    'an id twice',
    file([
      { id: 'a', when: true, then: {} },
      { id: 'a', when: true, then: {} },
    ]),
    /two rules with the id "a"/,
  ],
  ['no condition', file([{ id: 'a', then: { queue: 'support' } }]), /no condition/],
  ['no outcome', file([{ id: 'a', when: true }]), /does not say what happens/],
  ['stop that is no flag', rule(true, { queue: 'support' }, { stop: 'yes' }), /true or false/],
  [
    'an unknown queue',
    rule(true, { queue: 'suport' }),
    /"suport" is not a queue of throughline.yaml, did you mean "support"/,
    'rules[0].then.queue',
  ],
  ['an unknown priority', rule(true, { priority: 'hihg' }), /did you mean "high"/],
  ['an unknown field', rule(true, { queu: 'support' }), /did you mean "queue"/],
  ['an unknown skill', rule(true, { queue: 'support', steps: [{ skills: { biling: 3 } }] }), /"biling" is not a skill/],
  ['a level out of range', rule(true, { queue: 'support', steps: [{ skills: { billing: 11 } }] }), /from 1 to 10/],
  ['an unknown language level', rule(true, { queue: 'support', steps: [{ lang: { de: 'C3' } }] }), /A1, A2, B1/],
  ['an unknown team', rule(true, { queue: 'support', steps: [{ teams: ['x'] }] }), /"x" is not a team/],
  ['seconds that are none', rule(true, { queue: 'support', steps: [{ seconds: 0 }] }), /whole number from 1/],
  [
    'overflow into itself',
    rule(true, { queue: 'support', steps: [{ overflow: 'support' }] }),
    /circle: support -> support/,
  ],
  [
    'overflow in a circle',
    rule(true, { queue: 'support', steps: [{ overflow: 'sales' }] }),
    /circle: support -> sales -> support/,
  ],
  [
    'a test that fails',
    file([{ id: 'a', when: true, then: { queue: 'vip' } }], { tests: [{ facts: {}, expect: null }] }),
    /this test fails: rule "a" decided/,
    'tests[0].expect',
  ],
  [
    'a test of a rule that is not there',
    file([{ id: 'vip', when: true, then: { queue: 'vip' } }], { tests: [{ facts: {}, expect: 'vpi' }] }),
    /no rule "vpi", did you mean "vip"/,
  ],
  [
    'a test with a misspelt fact',
    file([{ id: 'a', when: true, then: { queue: 'vip' } }], { tests: [{ facts: { contct: {} }, expect: 'a' }] }),
    /no fact "contct"/,
  ],
  [
    'a test without facts',
    file([{ id: 'a', when: true, then: { queue: 'vip' } }], { tests: [{ expect: 'a' }] }),
    /"facts" and "expect"/,
  ],
  ['tests that are no list', file([{ id: 'a', when: true, then: {} }], { tests: {} }), /"tests" is a list/],
  [
    'tables of the wrong shape',
    file([{ id: 'a', when: true, then: {} }], { tables: { a: [] } }),
    /a table is an object/,
  ],
  ['tiers of the wrong shape', file([{ id: 'a', when: true, then: {} }], { tiers: 'vip' }), /tiers are a list/],
]

test('broken rule files are refused, each with the place, the reason and a remedy', (t) => {
  for (const [what, text, message, path] of broken) {
    const loaded = readRuleFile(text, '/etc/rules/routing.json', 'routing', names)
    t.equal(loaded.ok, false, what)
    const found = loaded.problems.filter((problem) => problem.severity === 'error')
    t.ok(
      found.some((problem) => message.test(problem.message)),
      `${what}: ${found.map((one) => one.message).join(' | ')}`,
    )
    for (const { position, remedy } of found) {
      t.ok(
        position.file === '/etc/rules/routing.json' && position.line >= 1 && position.column >= 1 && remedy.length > 5,
      )
    }
    if (path !== undefined)
      t.ok(
        found.some((problem) => problem.path === path),
        `${what}: ${found.map((one) => one.path).join(' ')}`,
      )
  }
  t.comment(`${broken.length} broken files`)
  t.end()
})

test('a finding stands at its line and column and names the rule', (t) => {
  const text = `{
  "$version": "1",
  "rules": [
    { "id": "vip", "when": { "==": [{ "var": "contact.teir" }, "vip"] }, "then": { "queue": "vip" } }
  ],
  "tests": []
}`
  const loaded = readRuleFile(text, 'routing.json', 'routing', names)
  t.match(loaded.problems[0], {
    code: 'TL_RULES_INVALID',
    position: { file: 'routing.json', line: 4, column: 46 },
    path: 'rules[0].when.==[0].var',
    message: /\(rule "vip"\)$/,
  })
  t.equal(text.split('\n')[3]?.slice(45, 59), '"contact.teir"')
  t.end()
})

test('rules run in order, add what was left open, and stop where they say so', (t) => {
  const loaded = readRuleFile(
    file([
      { id: 'vip', when: { '==': [{ var: 'contact.tier' }, 'vip'] }, then: { head_start_s: 600, tags: ['vip'] } },
      {
        id: 'big',
        when: { num_gt: [{ var: 'message.length' }, 1000] },
        then: { head_start_s: 60, priority: 'low', tags: ['long'] },
      },
      {
        id: 'sales',
        when: { contains_word: [{ var: 'message.text' }, 'buy'] },
        then: { queue: 'sales', priority: 'high' },
        stop: true,
      },
      { id: 'end', when: true, then: { queue: 'support', tags: ['vip'] } },
    ]),
    'f',
    'routing',
    names,
  )
  if (!loaded.ok) return t.fail(JSON.stringify(loaded.problems))
  const facts = { contact: { tier: 'vip' }, message: { text: 'buy', length: 2000 } }
  t.same(loaded.evaluate(facts), {
    rule: 'sales',
    version: '1',
    then: { head_start_s: 660, priority: 'low', tags: ['vip', 'long'], queue: 'sales' },
    trace: { matched: ['vip', 'big', 'sales'], failed: [] },
  })
  t.match(loaded.evaluate({ contact: { tier: null }, message: null }), { rule: 'end', then: { queue: 'support' } })
  t.ok(Object.isFrozen(loaded.evaluate(facts)?.then))
  t.end()
})

test('plugins add operators and facts under their own name; one that fails makes its rule false and says so', (t) => {
  const plugin = defineRouting({
    name: 'acme',
    version: '1.0.0',
    config: { type: 'object', properties: {} },
    setup: () => ({ route: () => ({ to: 'pass', reason: '' }) }),
    rules: {
      operators: {
        twice: {
          arity: 1,
          types: { args: ['number'], result: 'number' },
          fn: (n) => (typeof n === 'number' ? n * 2 : null),
          describe: '',
        },
        boom: {
          arity: 0,
          types: { args: [], result: 'boolean' },
          fn: () => {
            throw new Error('secret words of a customer')
          },
          describe: '',
        },
        later: {
          arity: 0,
          types: { args: [], result: 'boolean' },
          fn: (() => Promise.resolve(true)) as never,
          describe: '',
        },
      },
      facts: { score: { schema: { type: 'number', description: 'x' }, load: async () => [] } },
    },
  })
  const failures: unknown[] = []
  const text = file([
    { id: 'boom', when: { 'acme:boom': [] }, then: { queue: 'vip' }, stop: true },
    { id: 'later', when: { 'acme:later': [] }, then: { queue: 'vip' }, stop: true },
    {
      id: 'score',
      when: { num_gt: [{ 'acme:twice': [{ var: 'acme.score' }] }, 10] },
      then: { queue: 'sales' },
      stop: true,
    },
    { id: 'end', when: true, then: { queue: 'support' } },
  ])
  const loaded = readRuleFile(text, 'f', 'routing', {
    ...names,
    definitions: [plugin],
    onFailure: (failure) => failures.push(failure),
  })
  if (!loaded.ok) return t.fail(JSON.stringify(loaded.problems))
  t.match(loaded.evaluate({ acme: { score: 6 } }), { rule: 'score', trace: { failed: ['boom', 'later'] } })
  t.match(loaded.evaluate({}), { rule: 'end' })
  t.match(failures[0], { rule: 'boom', message: 'the operator acme:boom failed' })
  t.notOk(JSON.stringify(failures).includes('secret'), 'what the plugin threw may hold a customer’s words')
  const wrong = readRuleFile(rule({ 'acme:twice': ['x', 1] }), 'f', 'routing', {
    ...names,
    definitions: [plugin],
  })
  t.match(wrong.problems.map((one) => one.message).join(), /takes 1 argument, here are 2.*takes a number here/s)
  t.end()
})

test('a rule file that is edited badly changes nothing, a good edit goes live', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'rules-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const write = (text: string): void => writeFileSync(join(folder, 'routing.json'), text)
  const config = {
    rulesDir: folder,
    queues: [...names.queues].map(([id, overflow]) => ({ id, overflow })),
    skills: names.skills,
    teams: names.teams.map((id) => ({ id })),
  } as unknown as Config
  const warned: unknown[] = []
  const one = (version: string, queue: string): string =>
    JSON.stringify({
      $version: version,
      rules: [{ id: 'r', when: true, then: { queue } }],
      tests: [{ facts: {}, expect: 'r' }],
    })
  write(one('1', 'vip'))
  const rules = createRules({
    config,
    definitions: () => [],
    log: { warn: (fields) => void warned.push(fields) },
  })
  t.equal(rules.evaluate('routing', {}), null, 'nothing is read before the first reload')
  t.strictSame(await rules.reload(), [])
  t.match(rules.evaluate('routing', {}), { version: '1', then: { queue: 'vip' } })

  write(one('2', 'nowhere'))
  t.match(await rules.reload(), [{ severity: 'error', message: /nowhere/ }])
  t.match(rules.evaluate('routing', {}), { version: '1' }, 'the last good version goes on')
  t.match(warned, [{ file: 'routing', version: '1' }])
  t.match(
    await ruleFileCheck(
      () => [],
      () => createCalendars([]),
    )(config),
    [{ severity: 'error', position: { file: join(folder, 'routing.json') } }],
  )

  write(one('3', 'sales'))
  t.strictSame(await rules.reload(), [])
  t.match(rules.evaluate('routing', {}), { version: '3', then: { queue: 'sales' } })
  t.equal(rules.version('routing'), '3')

  t.match(rules.evaluate('continuity', { candidate: { status: 'open' } }), {
    rule: 'still-open',
    then: { action: 'join' },
    version: 'built-in.1',
  })
  t.match(rules.evaluate('continuity', { candidate: { status: 'resolved', resolvedHoursAgo: 73 } }), {
    then: { action: 'new' },
  })
})

test('a file that is absent is no error, one that is too large is refused', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'rules-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  t.equal(await loadRuleFile(join(folder, 'none.json'), 'routing', names), null)
  writeFileSync(join(folder, 'big.json'), ' '.repeat(1_100_000))
  t.match(await loadRuleFile(join(folder, 'big.json'), 'routing', names), {
    ok: false,
    problems: [{ message: /larger than 1 MiB/ }],
  })
  t.match(await loadRuleFile(folder, 'routing', names), { ok: false, problems: [{ message: /cannot be read/ }] })
})

test('a plugin of the name of an engine’s fact publishes nothing, and that is said', async (t) => {
  const plugin = defineRouting({
    name: 'message',
    version: '1.0.0',
    config: { type: 'object', properties: {} },
    setup: () => ({ route: () => ({ to: 'pass', reason: '' }) }),
    rules: {
      operators: { op: { arity: 0, types: { args: [], result: 'boolean' }, fn: () => true, describe: 'Always.' } },
    },
  })
  const config = {
    rulesDir: '/nowhere',
    file: 'throughline.yaml',
    queues: [],
    skills: [],
    teams: [],
  } as unknown as Config
  t.match(
    await ruleFileCheck(
      () => [plugin],
      () => createCalendars([]),
    )(config),
    [{ code: 'TL_RULES_PREFIX_TAKEN', message: /"message"/ }],
  )
  const loaded = readRuleFile(rule({ 'message:op': [] }), 'f', 'routing', { ...names, definitions: [plugin] })
  t.match(loaded.problems[0], { code: 'TL_RULES_OPERATOR_UNKNOWN' })
})

test('R66: a fallback chain of queues that leads back is refused at load, with the way it takes', (t) => {
  const circular = new Map<string, string | null>([
    ['support', 'sales'],
    ['sales', 'vip'],
    ['vip', null],
  ])
  const text = rule(true, { queue: 'vip', steps: [{ seconds: 30 }, { overflow: 'support' }] })
  const loaded = readRuleFile(text, 'routing.json', 'routing', { ...names, queues: circular })
  t.match(loaded, {
    ok: false,
    problems: [
      {
        code: 'TL_CONFIG_OVERFLOW_CYCLE',
        message: /circle: vip -> support -> sales -> vip \(rule "r"\)/,
        path: 'rules[0].then.steps[1].overflow',
        remedy: /does not lead back/,
      },
    ],
  })
  t.equal(loaded.problems[0]?.position.line, text.split('\n').findIndex((line) => line.includes('"overflow"')) + 1)
  t.end()
})

test('what is wrong inside a rule names the rule', (t) => {
  for (const [what, text] of broken) {
    const { problems } = readRuleFile(text, 'routing.json', 'routing', names)
    const inside = problems.filter(
      (one) => one.severity === 'error' && /^rules\[\d+\]\.(when|then|stop)/.test(one.path),
    )
    if (!text.includes('"id"')) continue
    for (const one of inside) t.match(one.message, /\(rule "[\w-]+"\)$/, what)
  }
  t.end()
})

const brokenContinuity: readonly (readonly [what: string, text: string, message: RegExp])[] = (
  [
    ['an outcome of routing', { queue: 'support' }, true, /"queue" is not known here/],
    ['no action', {}, true, /does not say what happens/],
    ['a misspelt action', { action: 'jion' }, true, /did you mean "join"/],
    ['an action of another type', { action: true }, true, /one of join, new/],
    ['a fact of routing', { action: 'new' }, { '==': [{ var: 'conversation.status' }, 'open'] }, /no fact/],
    [
      'a misspelt fact',
      { action: 'new' },
      { '!': { var: 'candidate.sameThraed' } },
      /did you mean "candidate.sameThread"/,
    ],
    ['null as 0', { action: 'join' }, { '<': [{ var: 'candidate.resolvedHoursAgo' }, 72] }, /may be null/],
    [
      'a number and a text',
      { action: 'join' },
      { '>': [{ var: 'message.length' }, 'long'] },
      /compares a number with a string/,
    ],
    ['two operators', { action: 'join' }, { '!': [true], or: [true] }, /exactly one operator/],
    ['a prototype', { action: 'join' }, { var: 'candidate.constructor.constructor' }, /cannot be read/],
  ] as const
).map(([what, then, when, message]) => [
  what,
  file([
    { id: 'r', when, then },
    { id: 'end', when: true, then: { action: 'new' } },
  ]),
  message,
])

test('broken continuity files are refused like routing files', (t) => {
  for (const [what, text, message] of brokenContinuity) {
    const loaded = readRuleFile(text, 'continuity.json', 'continuity', names)
    t.equal(loaded.ok, false, what)
    const errors = loaded.problems.filter((one) => one.severity === 'error')
    t.ok(
      errors.some((one) => message.test(one.message)),
      `${what}: ${errors.map((one) => one.message).join(' | ')}`,
    )
    for (const { position, remedy } of errors) t.ok(position.line > 1 && position.column > 1 && remedy.length > 5, what)
  }
  t.end()
})

test('a plugin’s operator that takes too long keeps its answer, and counts as an error of the version', (t) => {
  const plugin = defineRouting({
    name: 'acme',
    version: '1.0.0',
    config: { type: 'object', properties: {} },
    setup: () => ({ route: () => ({ to: 'pass', reason: '' }) }),
    rules: {
      operators: {
        slow: {
          arity: 1,
          types: { args: ['any'], result: 'boolean' },
          fn: (value) => {
            for (const end = performance.now() + 60; performance.now() < end;);
            return Object.isFrozen(value)
          },
          describe: 'Takes its time.',
        },
      },
    },
  })
  const failures: unknown[] = []
  const loaded = readRuleFile(
    rule({ 'acme:slow': [{ map: [{ var: 'conversation.tags' }, { var: '' }] }] }),
    'f',
    'routing',
    {
      ...names,
      definitions: [plugin],
      onFailure: (failure) => failures.push(failure),
    },
  )
  if (!loaded.ok) return t.fail(JSON.stringify(loaded.problems))
  t.match(loaded.evaluate({ conversation: { tags: ['a'] } }), {
    rule: 'r',
    trace: { matched: ['r', 'end'], failed: [] },
  })
  t.match(failures, [{ rule: 'r', message: /acme:slow took more than 50 ms/ }])
  t.end()
})

test('a rule out of fuel counts as not matching, the rules after it decide, and it is told without facts', (t) => {
  const failures: unknown[] = []
  const words = Array.from({ length: 900 }, (_, i) => `word${i}`)
  const heavy = { or: Array.from({ length: 40 }, () => ({ contains_word: [{ var: 'message.text' }, words] })) }
  const loaded = readRuleFile(rule(heavy, { queue: 'vip' }), 'f', 'routing', {
    ...names,
    onFailure: (failure) => failures.push(failure),
  })
  if (!loaded.ok) return t.fail(JSON.stringify(loaded.problems))
  const text = 'secret '.repeat(285)
  t.match(loaded.evaluate({ message: { text } }), { rule: 'end', trace: { failed: ['r'] } })
  t.match(failures, [{ rule: 'r', message: 'a rule took more than 10000 steps' }])
  t.notMatch(JSON.stringify(failures), /secret/)
  t.end()
})
