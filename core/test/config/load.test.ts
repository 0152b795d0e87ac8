import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import type { Config, ConfigResult } from '../../src/config/contract.js'
import { loadConfig } from '../../src/config/load.js'
import { defaultFile, projectFolder } from './fixtures.js'

function load(text: string, env: Record<string, string> = {}, cwd = '/srv/desk'): ConfigResult {
  const now = (): number => Date.parse('2026-01-15T00:00:00Z')
  return loadConfig({ file: 'config/throughline.yaml', text, env, cwd, now })
}

function mustLoad(text: string, env: Record<string, string> = {}): Config {
  const result = load(text, env)
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  return result.config
}

test('the default file runs as it is: no environment, no problem, not even a warning', (t) => {
  const result = loadConfig({ file: defaultFile, env: {}, cwd: projectFolder })
  t.same(result.problems, [])
  t.ok(result.ok)
  if (!result.ok) return t.end()
  const { config } = result
  t.equal(config.server.port, 8080)
  t.equal(config.server.host, '127.0.0.1')
  t.equal(config.server.publicUrl, 'http://localhost:8080')
  t.equal(config.database.url, null)
  t.equal(config.database.dataDir, join(projectFolder, 'data/postgres'))
  t.same(
    config.channels.map((channel) => [channel.id, channel.use, channel.kind]),
    [
      ['webchat', 'channel-webchat', 'webchat'],
      ['email', 'channel-email', 'email'],
    ],
  )
  t.same(
    config.queues.map((queue) => queue.id),
    ['support', 'sales', 'billing'],
  )
  t.equal(config.defaultQueue, 'support')
  t.same(
    config.agents.map((agent) => agent.id),
    ['ada', 'ben'],
  )
  t.same(config.agents[1]?.teams, ['support', 'sales', 'billing'])
  t.equal(config.rulesDir, join(projectFolder, 'config/rules'))
  t.equal(config.secrets.size, 0)
  t.end()
})

test('the least configuration is a version: there is a queue that everybody serves', (t) => {
  const config = mustLoad('version: 1')
  t.same(
    config.queues.map((queue) => queue.id),
    ['default'],
  )
  t.equal(config.defaultQueue, 'default')
  t.same(config.roles, ['web', 'worker'])
  t.same(config.channels, [])
  t.end()
})

test('sections with nothing under them count as absent', (t) => {
  const config = mustLoad('version: 1\nchannels:\nqueues:\nserver:\nroles:\nagents:\n  # nobody yet\n')
  t.same(config.channels, [])
  t.same(config.roles, ['web', 'worker'])
  t.equal(config.server.port, 8080)
  t.end()
})

test('text from a variable is a number only where the schema wants one', (t) => {
  const text = [
    'version: 1',
    'server: { port: "${PORT}", host: "${HOST_NUMBER}" }',
    'log: { pretty: "${PRETTY:-yes}" }',
    'channels: { shop: { use: "./shop.js", config: { number: "${PORT}" } } }',
  ].join('\n')
  const config = mustLoad(text, { PORT: '9090', HOST_NUMBER: '10' })
  t.equal(config.server.port, 9090)
  t.equal(config.server.host, '10')
  t.equal(config.log.pretty, true)
  t.equal(config.channels[0]?.config['number'], '9090', 'the schema of the plugin decides later')
  t.end()
})

test('an empty variable in the place of a number gives the default', (t) => {
  t.equal(mustLoad('version: 1\nserver: { port: "${PORT:-}" }').server.port, 8080)
  t.end()
})

test('a slash at the end of publicUrl is taken off, and an empty database url means embedded', (t) => {
  const config = mustLoad(
    'version: 1\nserver: { publicUrl: "https://desk.example.org/" }\ndatabase: { url: "${DATABASE_URL:-}" }',
  )
  t.equal(config.server.publicUrl, 'https://desk.example.org')
  t.equal(config.database.url, null)
  t.end()
})

test('what a variable holds can never become structure', (t) => {
  const text = 'version: 1\nchannels: { shop: { use: "./shop.js", config: { token: "${TOKEN}" } } }'
  const token = 'x" }\nadmin: true\n${OTHER} *alias'
  const config = mustLoad(text, { TOKEN: token, OTHER: 'never' })
  t.same(config.channels[0]?.config, { token })
  t.end()
})

test('values of plugins and of the connection string that came from outside are secrets; ports and addresses are not', (t) => {
  const text = [
    'version: 1',
    'server: { port: "${PORT}", publicUrl: "${PUBLIC_URL}" }',
    'database: { url: "${DATABASE_URL}" }',
    'channels:',
    '  shop: { use: "${PLUGIN}", config: { token: "Bearer ${TOKEN}", deep: { list: ["${SECOND}"] }, plain: visible } }',
    'bus: { use: bus-nats, config: { servers: "${NATS}" } }',
  ].join('\n')
  const config = mustLoad(text, {
    PORT: '9090',
    PUBLIC_URL: 'https://desk.example.org',
    DATABASE_URL: 'postgres://desk:p%40ssw0rd@db:5432/desk',
    TOKEN: 'sesame-open',
    SECOND: 'second-secret',
    NATS: 'nats://user:hunter22@nats',
    PLUGIN: './shop.js',
  })
  t.same(
    [...config.secrets].sort(),
    [
      'nats://user:hunter22@nats',
      'p%40ssw0rd',
      'p@ssw0rd',
      'postgres://desk:p%40ssw0rd@db:5432/desk',
      'second-secret',
      'sesame-open',
    ].sort(),
  )
  t.end()
})

test('a file named in a value is read, and one line break at its end is not part of it', (t) => {
  const folder = t.testdir({ config: { token: 'sesame\n', 'throughline.yaml': '' } })
  const text = 'version: 1\nchannels: { shop: { use: "./shop.js", config: { token: "${file:./token}" } } }'
  const result = loadConfig({ file: 'config/throughline.yaml', text, env: {}, cwd: folder })
  t.equal(result.config?.channels[0]?.config['token'], 'sesame')
  t.ok(result.config?.secrets.has('sesame'))
  t.end()
})

test('an error inside one instance leaves the others and the engine alone', (t) => {
  const result = load(
    'version: 1\nchannels:\n  good: { use: "./good.js" }\n  bad: { use: "./bad.js", onFailrue: retry }\n',
  )
  t.ok(result.ok)
  t.equal(result.problems.length, 1)
  t.equal(result.problems[0]?.instance, 'bad')
  const [good, bad] = result.config?.channels ?? []
  t.same(good?.problems, [])
  t.equal(bad?.problems?.[0]?.code, 'TL_CONFIG_KEY_UNKNOWN')
  t.end()
})

test('when two instances have one id, the first keeps working', (t) => {
  const result = load('version: 1\nchannels: { shop: { use: "./a.js" } }\nanalytics: { shop: { use: "./b.js" } }')
  t.same(result.config?.channels[0]?.problems, [])
  t.equal(result.config?.analytics[0]?.problems?.[0]?.code, 'TL_CONFIG_DUPLICATE')
  t.end()
})

test('positions lead to the value inside the settings of an instance', (t) => {
  const config = mustLoad('version: 1\nchannels:\n  shop:\n    use: "./shop.js"\n    config:\n      list: [a, b]\n')
  const shop = config.channels[0]
  t.match(shop?.position, { line: 3, column: 3 })
  t.match(shop?.positionOf('/list/1'), { line: 6, column: 17 })
  t.match(shop?.positionOf('/absent'), { line: 6, column: 7 }, 'a missing value: where its parent stands')
  t.match(shop?.keyPositionOf?.('/list'), { line: 6, column: 7 })
  t.end()
})

test('all problems come at once, sorted by line', (t) => {
  const result = load(
    'version: 1\nserver: { port: x, hots: y }\nqueues: { a1: { overflow: b1 } }\nlog: { level: loud }\n',
  )
  t.notOk(result.ok)
  t.same(
    result.problems.map((item) => [item.position.line, item.code]),
    [
      [2, 'TL_CONFIG_INVALID'],
      [2, 'TL_CONFIG_KEY_UNKNOWN'],
      [3, 'TL_CONFIG_REFERENCE_UNKNOWN'],
      [4, 'TL_CONFIG_INVALID'],
    ],
  )
  t.end()
})

test('every missing variable is reported in one run, also two in one value', (t) => {
  const result = load('version: 1\nserver: { host: "${A}-${B}" }\nlog: { level: "${C}" }\n')
  t.same(
    result.problems.map((item) => item.message),
    ['A', 'B', 'C'].map((name) => `environment variable ${name} is not set`),
  )
  t.end()
})

test('a value that came from outside is never shown in a problem', (t) => {
  const result = load('version: 1\nlog: { level: "${LEVEL}" }', { LEVEL: 'hunter2-hunter2' })
  t.notMatch(JSON.stringify(result.problems), 'hunter2')
  t.equal(result.problems[0]?.code, 'TL_CONFIG_INVALID')
  t.end()
})

test('warnings do not keep the engine from starting', (t) => {
  const cases: readonly (readonly [string, string, number])[] = [
    ['version: 1\nteams: { night: {} }\nqueues:\n  support: { teams: [night] }\n', 'TL_CONFIG_QUEUE_UNSTAFFED', 4],
    ['version: 1\nskills: [tax]\nqueues:\n  support: { skills: { tax: 2 } }\n', 'TL_CONFIG_SKILL_UNUSED', 4],
    ['version: 1\ndatabase: { url: "postgres://desk:plain@db/desk" }\n', 'TL_CONFIG_SECRET_LITERAL', 2],
    [
      'version: 1\ncalendars:\n  c1: { timeZone: America/New_York, weekly: { sun: ["02:30-05:00"] } }\n',
      'TL_CONFIG_CALENDAR_GAP',
      3,
    ],
    [
      'version: 1\ncalendars:\n  c1: { timeZone: America/New_York, weekly: { sat: ["22:00-02:30"] } }\n',
      'TL_CONFIG_CALENDAR_GAP',
      3,
    ],
    [
      'version: 1\ncalendars:\n  c1: { timeZone: UTC, weekly: { mon: ["22:00-06:00"], tue: ["05:00-09:00"] } }\n',
      'TL_CONFIG_CALENDAR_OVERLAP',
      3,
    ],
    [
      'version: 1\ncalendars:\n  c1: { timeZone: UTC, weekly: { mon: ["09:00-10:00"] }, holidays: ["2999-01-01"], overrides: { "2999-01-01": ["09:00-10:00"] } }\n',
      'TL_CONFIG_CALENDAR_OVERLAP',
      3,
    ],
  ]
  for (const [text, code, line] of cases) {
    const result = load(text)
    t.ok(result.ok, code)
    t.same(
      result.problems.map((item) => [item.severity, item.code, item.position.line]),
      [['warning', code, line]],
    )
    t.match(result.problems[0]?.remedy, /\S/)
  }
  t.end()
})

test('a variable that ends in a line break is warned about', (t) => {
  const text = 'version: 1\nchannels: { shop: { use: "./shop.js", config: { token: "${TOKEN}" } } }'
  const result = load(text, { TOKEN: 'sesame\n' })
  t.match(result.problems, [{ severity: 'warning', code: 'TL_CONFIG_ENV_SYNTAX' }])
  t.end()
})

test('in production a password in the file is an error, and publicUrl without https is a warning', (t) => {
  const text =
    'version: 1\nserver: { publicUrl: "http://desk.example.org" }\ndatabase: { url: "postgres://desk:plain@db/desk" }\n'
  const result = load(text, { NODE_ENV: 'production' })
  t.same(
    result.problems.map((item) => [item.severity, item.code]),
    [
      ['warning', 'TL_CONFIG_INVALID'],
      ['error', 'TL_CONFIG_SECRET_LITERAL'],
    ],
  )
  t.notOk(result.ok)
  t.end()
})

test('calendars may run overnight, touch, end at 24:00 and span midnight of the week', (t) => {
  const text = [
    'version: 1',
    'calendars:',
    '  nights: { timeZone: Asia/Kathmandu, weekly: { sun: ["22:00-06:00"], mon: ["06:00-12:00", "12:00-24:00"] } }',
    '  always: { timeZone: UTC, weekly: { mon: ["00:00-24:00"] } }',
    '  once: { timeZone: UTC, overrides: { "2026-12-24": ["09:00-12:00"] } }',
  ].join('\n')
  t.same(load(text).problems, [])
  t.end()
})

test('a fair share has a number of items and a period', (t) => {
  const text = (share: string) => `version: 1\nqueues:\n  support: { fairShare: ${share} }\n`
  t.same(mustLoad(text('{ items: 4, minutes: 60 }')).queues[0]?.fairShare, { items: 4, minutes: 60 })
  t.equal(mustLoad('version: 1\nqueues: { support: {} }\n').queues[0]?.fairShare, undefined, 'absent: none')
  for (const share of ['{ items: 4 }', '{ minutes: 60 }', '{ items: 0, minutes: 60 }', '4'])
    t.notOk(load(text(share)).ok, share)
  t.end()
})

const webhookText = [
  'version: 1',
  'webhooks:',
  '  crm:',
  '    url: https://crm.example.org/hooks',
  "    secrets: ['${NEW}', 'whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz']",
  '    headers: { authorization: "Basic bGl0ZXJhbA==", x-tenant: desk }',
  '    events: ["*", sla.breached, "message.*"]',
].join('\n')

test('keys and credentials of webhooks that stand in the file are warned about, in production refused', (t) => {
  const NEW = 'whsec_bmV3MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0'
  const wanted = ['webhooks.crm.secrets.1', 'webhooks.crm.headers.authorization']
  for (const [env, severity] of [[{}, 'warning'] as const, [{ NODE_ENV: 'production' }, 'error'] as const]) {
    const { ok, problems } = load(webhookText, { NEW, ...env })
    t.equal(ok, severity === 'warning')
    const found = problems.filter((item) => item.code === 'TL_CONFIG_SECRET_LITERAL')
    t.same(
      found.map((item) => [item.severity, item.path]),
      wanted.map((path) => [severity, path]),
    )
    t.notMatch(JSON.stringify(problems), /MDEyMzQ1|bGl0ZXJhbA/)
  }
  const config = mustLoad(webhookText, { NEW })
  for (const secret of [NEW, 'whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz', 'Basic bGl0ZXJhbA==']) {
    t.ok(config.secrets.has(secret), 'redacted in logs')
  }
  t.match(config.webhooks, [{ id: 'crm', pii: 'pseudonymous', concurrency: 4, timeoutSeconds: 15, enabled: true }])
  t.end()
})

test('a misspelt event of a webhook is told with what was probably meant', (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['mesage.inbound', 'did you mean "message.inbound"?'],
    ['slo.*', 'did you mean "sla.*"?'],
    ['message.Inbound', 'did you mean "message.inbound"?'],
  ]
  for (const [filter, wanted] of cases) {
    const { ok, problems } = load(webhookText.replace('sla.breached', `'${filter}'`), {
      NEW: 'whsec_' + 'A'.repeat(32),
    })
    t.notOk(ok)
    t.match(problems.find((item) => item.severity === 'error')?.message, wanted)
  }
  t.end()
})

test('a file that cannot be read is one problem, never an exception', (t) => {
  const folder = t.testdir({ 'latin.yaml': '' })
  writeFileSync(join(folder, 'latin.yaml'), Buffer.from('version: 1 # caf\xe9\n', 'latin1'))
  mkdirSync(join(folder, 'folder.yaml'))
  for (const [name, reason] of [
    ['absent.yaml', 'does not exist'],
    ['folder.yaml', 'folder'],
    ['latin.yaml', 'UTF-8'],
  ] as const) {
    const result = loadConfig({ file: name, env: {}, cwd: folder })
    t.match(result.problems, [{ code: 'TL_CONFIG_FILE_UNREADABLE', message: reason }], name)
    t.notOk(result.ok)
  }
  t.end()
})

test('empty files, a byte order mark and Windows line ends are understood', (t) => {
  for (const text of ['', '# only a comment\n', '---\n', 'null']) {
    t.match(load(text).problems, [{ code: 'TL_CONFIG_YAML', message: 'empty' }], JSON.stringify(text))
  }
  t.same(load('\uFEFFversion: 1\r\nserver:\r\n  port: 9000\r\n').config?.server.port, 9000)
  t.end()
})

test('files made to hurt are refused quickly', (t) => {
  const deep = `version: 1\nchannels: ${'['.repeat(50_000)}`
  t.equal(load(deep).ok, false)
  const nested = `version: 1\nchannels: ${'{ a: '.repeat(200)}1${' }'.repeat(200)}\n`
  t.match(load(nested).problems, [{ code: 'TL_CONFIG_YAML', message: 'nested' }])
  const large = `version: 1\n# ${'x'.repeat(9 * 1024 * 1024)}`
  t.match(load(large).problems, [{ code: 'TL_CONFIG_YAML', message: 'larger' }])
  const merges = `version: 1\nserver:\n${'  <<: { port: 1 }\n'.repeat(1000)}`
  t.match(load(merges).problems[0], { code: 'TL_CONFIG_YAML', message: 'merge keys' })
  t.end()
})

test('ten thousand queues are read in one go', (t) => {
  const queues = Array.from({ length: 10_000 }, (_, index) => `  q${index}: { overflow: q${index + 1} }`).join('\n')
  const result = load(`version: 1\nqueues:\n${queues}\n  q10000: {}\n`)
  t.same(result.problems, [])
  t.equal(result.config?.queues.length, 10_001)
  t.end()
})

test('keys named like members of every object are just names', (t) => {
  const result = load('version: 1\nqueues: { constructor: { overflow: tostring } }\nteams: { valueof: {} }')
  t.match(result.problems, [{ code: 'TL_CONFIG_REFERENCE_UNKNOWN', path: 'queues.constructor.overflow' }])
  t.equal(load('version: 1\nconstructor: 1').problems[0]?.code, 'TL_CONFIG_KEY_UNKNOWN')
  t.equal(({} as Record<string, unknown>)['port'], undefined)
  t.end()
})

test('the configuration is frozen to its depths', (t) => {
  const config = mustLoad('version: 1\nchannels: { shop: { use: "./shop.js", config: { deep: { list: [1] } } } }')
  t.throws(() => (config.channels[0]?.config['deep'] as { list: number[] }).list.push(2))
  t.throws(() => ((config.server as { port: number }).port = 1))
  t.end()
})
