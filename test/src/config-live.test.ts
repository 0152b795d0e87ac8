import { test } from 'tap'
import { throughline } from './support/cli.js'
import { defaultConfig } from './support/repository.js'
import { makeWorkplace } from './support/workplace.js'

const broken = [
  'version: 1',
  'server: { port: 8080 }',
  'channels:',
  '  shop:',
  '    use: channel-webchat',
  '    kind: webchatt',
  'queues:',
  '  support: { teems: [support] }',
  'teams: { support: {} }',
].join('\n')

test('the delivered configuration is fine', async (t) => {
  const { code, stdout, stderr } = await throughline(['check', '--config', defaultConfig])
  t.equal(code, 0, `${stdout}${stderr}`)
  t.match(stdout, /fine \(0 errors, 0 warnings\)/)
})

test('check names file, line, column and remedy of every mistake at once and ends with 78', async (t) => {
  const place = await makeWorkplace(broken)
  t.teardown(() => place.remove())
  const { code, stdout } = await throughline(['check', '--config', place.configFile], { cwd: place.dir })
  t.equal(code, 78, stdout)
  t.match(stdout, /throughline\.yaml:6:\d+/, 'the kind of the channel')
  t.match(stdout, /throughline\.yaml:8:\d+/, 'the unknown key of the queue')
  t.match(stdout, /webchat\b/, 'what was meant')
  t.match(stdout, /teams\b/, 'what was meant')
})

test('the findings can be read by machines', async (t) => {
  const place = await makeWorkplace(broken)
  t.teardown(() => place.remove())
  const { code, stdout } = await throughline(['check', '--json', '--config', place.configFile])
  const report = JSON.parse(stdout) as {
    ok: boolean
    errors: number
    problems: { code: string; position: { line: number; column: number }; message: string; remedy: string }[]
  }
  t.equal(code, 78)
  t.equal(report.ok, false)
  t.equal(report.errors, report.problems.length)
  t.same(report.problems.map((problem) => problem.position.line).sort(), [6, 8])
  for (const problem of report.problems) {
    t.match(problem.code, /^TL_CONFIG_/)
    t.not(problem.message, '')
    t.not(problem.remedy, '')
  }
})

test('an engine whose configuration cannot be read does not start: it says where and ends with 78', async (t) => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['a tab', 'version: 1\nserver:\n\tport: 1\n', /throughline\.yaml:3:\d+/],
    [
      'a missing variable',
      "version: 1\ndatabase:\n  url: '${NOBODY_SET_THIS}'\n",
      /throughline\.yaml:3:\d+.*NOBODY_SET_THIS/s,
    ],
    ['a port that is none', 'version: 1\nserver: { port: eighty }\n', /throughline\.yaml:2:\d+/],
    ['an unknown key', 'version: 1\nserverr: {}\n', /throughline\.yaml:2:\d+.*server/s],
    ['a version there is not', 'version: 7\n', /throughline\.yaml:1:\d+/],
    ['nothing at all', '', /throughline\.yaml/],
  ]
  for (const [name, text, said] of cases) {
    const place = await makeWorkplace(text)
    t.teardown(() => place.remove())
    const { code, stdout, stderr } = await throughline(['start', '--config', place.configFile], { cwd: place.dir })
    t.equal(code, 78, `${name}: ${stdout}${stderr}`)
    t.match(`${stdout}${stderr}`, said, name)
    t.notMatch(stderr, /\n\s+at /, `${name}: no stack`)
  }
})

test('a file that is not there is named', async (t) => {
  const { code, stdout, stderr } = await throughline(['start', '--config', 'nowhere/throughline.yaml'])
  t.equal(code, 78, `${stdout}${stderr}`)
  t.match(`${stdout}${stderr}`, /nowhere\/throughline\.yaml/)
})

test('secrets from the environment are not repeated by a report', async (t) => {
  const text = [
    'version: 1',
    'channels:',
    '  chat:',
    '    use: channel-webchat',
    '    kind: webchat',
    "    config: { siteSecret: '${SITE_SECRET}' }",
  ].join('\n')
  const place = await makeWorkplace(text)
  t.teardown(() => place.remove())
  const { code, stdout, stderr } = await throughline(['check', '--config', place.configFile], {
    env: { SITE_SECRET: 'too-short-canary' },
  })
  t.equal(code, 78, `${stdout}${stderr}`)
  t.match(stdout, /throughline\.yaml:6:\d+/)
  t.notMatch(`${stdout}${stderr}`, /canary/)
})
