import { test } from 'tap'
import { run } from '../../src/cli/run.js'
import { commands } from '../../src/cli/table.js'
import { checkNode } from '../../src/cli/commands/doctor.js'
import { defaultFile, projectFolder } from '../config/fixtures.js'
import { recordingTerminal } from './recording-terminal.js'

const cwd = projectFolder

test('every command has a help page with its usage', async (t) => {
  for (const name of Object.keys(commands)) {
    const terminal = recordingTerminal({ cwd })
    t.equal(await run([name, '--help'], terminal), 0, name)
    t.match(terminal.output, `Usage: throughline ${name}`)
    t.equal(terminal.errors, '')
  }
})

test('the overview lists every command; without a command it comes with exit code 64', async (t) => {
  for (const [argv, code] of [
    [['--help'], 0],
    [['help'], 0],
    [[], 64],
  ] as const) {
    const terminal = recordingTerminal({ cwd })
    t.equal(await run(argv, terminal), code)
    for (const name of Object.keys(commands)) t.match(terminal.output, new RegExp(`^  ${name} `, 'm'))
  }
})

test('mistakes in the call are one line with a suggestion, and exit code 64', async (t) => {
  const cases: readonly (readonly [readonly string[], string])[] = [
    [['chekc'], 'did you mean "check"?'],
    [['constructor'], 'unknown command'],
    [['check', '--jsn'], 'did you mean "--json"?'],
    [['check', '--config'], '--config'],
    [['config'], 'use one of schema'],
    [['config', 'schmea'], 'did you mean "schema"?'],
  ]
  for (const [argv, wanted] of cases) {
    const terminal = recordingTerminal({ cwd })
    t.equal(await run(argv, terminal), 64, argv.join(' '))
    t.match(terminal.errors, wanted)
    t.match(terminal.errors, /^throughline: .+ \(TL_CLI_USAGE\)$/)
    t.notMatch(terminal.errors, '\n')
  }
})

test('the configuration is found by option, by variable, or in its usual place', async (t) => {
  const file = t.testdir({ 'other.yaml': 'version: 2\n' }) + '/other.yaml'
  t.equal(await run(['check', '--config', file], recordingTerminal({ cwd })), 78)
  t.equal(await run(['check'], recordingTerminal({ cwd, env: { THROUGHLINE_CONFIG: file } })), 78)
  t.equal(await run(['check', '--config', 'absent.yaml'], recordingTerminal({ cwd })), 78)
})

test('check answers 0 for a good file, also as JSON', async (t) => {
  const file = t.testdir({ 'good.yaml': 'version: 1\n' }) + '/good.yaml'
  const plain = recordingTerminal({ cwd })
  t.equal(await run(['check', '--config', file], plain), 0)
  t.match(plain.output, 'fine (0 errors, 0 warnings)')
  const json = recordingTerminal({ cwd })
  await run(['check', '--json', '--config', file], json)
  t.match(JSON.parse(json.output), { ok: true, errors: 0, warnings: 0, problems: [] })
})

test('a command that needs the configuration reports it in one line and ends with 78', async (t) => {
  const file = t.testdir({ 'bad.yaml': 'version: 1\nserver: { prot: 1 }\nlog: { level: loud }\n' }) + '/bad.yaml'
  for (const command of ['start', 'migrate']) {
    const terminal = recordingTerminal({ cwd })
    t.equal(await run([command, '--config', file], terminal), 78, command)
    const last = terminal.errors.split('\n').at(-1)
    t.match(last, /^throughline: .*bad\.yaml:2:11 server\.prot: .+ \(TL_CONFIG_KEY_UNKNOWN\)$/)
    t.match(terminal.errors, 'TL_CONFIG_INVALID', 'the other problems are shown as well')
  }
})

test('a database that does not answer ends with 69', async (t) => {
  const file =
    t.testdir({ 'config.yaml': 'version: 1\ndatabase: { url: "${DB}" }\nserver: { port: 0 }\n' }) + '/config.yaml'
  const terminal = recordingTerminal({ cwd, env: { DB: 'postgres://desk:hunter22@127.0.0.1:1/desk' } })
  t.equal(await run(['doctor', '--config', file], terminal), 69)
  t.match(terminal.output, /FAIL {2}database/)
  t.notMatch(terminal.output + terminal.errors, 'hunter22')
})

test('doctor names what is wrong with the surroundings', async (t) => {
  t.match(checkNode('20.18.3'), { ok: false, detail: '20.19' })
  t.match(checkNode('18.20.0'), { ok: false })
  t.match(checkNode('20.19.0'), { ok: true })
  t.match(checkNode('24.1.0'), { ok: true })
  const terminal = recordingTerminal({ cwd })
  t.equal(await run(['doctor', '--json', '--config', 'absent.yaml'], terminal), 78)
  t.match(JSON.parse(terminal.output), [{ what: 'node' }, { what: 'configuration', ok: false }])
})

test('the schema for editors is printed as JSON', async (t) => {
  const terminal = recordingTerminal({ cwd })
  t.equal(await run(['config', 'schema', '--config', defaultFile], terminal), 0)
  t.match(JSON.parse(terminal.output), { $schema: /draft-07/, properties: { channels: {} } })
})
