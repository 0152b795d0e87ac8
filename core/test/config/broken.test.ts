import { spawn } from 'node:child_process'
import { test } from 'tap'
import { loadConfig } from '../../src/config/load.js'
import { run } from '../../src/cli/run.js'
import { catalogue } from '../../src/errors-catalogue.js'
import { recordingTerminal } from '../cli/recording-terminal.js'
import { brokenFiles, brokenFolder, coreFolder } from './fixtures.js'

const files = brokenFiles()

test('there are at least thirty broken configurations', (t) => {
  t.ok(files.length >= 30, `${files.length} files`)
  t.end()
})

for (const expected of files) {
  test(`${expected.name}: the one fault is named with code, file, line, path and remedy`, (t) => {
    const result = loadConfig({ file: expected.file, env: {}, cwd: brokenFolder })
    const errors = result.problems.filter((item) => item.severity === 'error')
    t.equal(errors.length, 1, errors.map((item) => `${item.code} ${item.path}`).join(', '))
    const found = errors[0]
    if (found === undefined) return t.end()
    t.equal(found.code, expected.code)
    t.ok(found.code in catalogue, 'the code is in the catalogue')
    t.equal(found.position.file, expected.file)
    t.equal(found.position.line, expected.line)
    t.ok(found.position.column >= 1)
    if (expected.path !== '*') t.equal(found.path, expected.path)
    t.match(found.remedy, /\S/)
    t.match(found.message, /\S/)
    t.equal(result.ok, found.instance !== null, 'only an error outside plugin instances keeps the engine from starting')
    t.end()
  })

  test(`${expected.name}: \`throughline check\` prints it and ends with 78`, async (t) => {
    const terminal = recordingTerminal({ cwd: brokenFolder })
    t.equal(await run(['check', '--config', expected.file], terminal), 78)
    t.match(terminal.output, `${expected.name}:${expected.line}:`)
    t.match(terminal.output, expected.code)
  })
}

const throughProcess = ['yaml-alias-bomb.yaml', 'env-missing.yaml', 'queue-overflow-circle.yaml']

for (const name of throughProcess) {
  test(`${name}: the real command ends with 78`, async (t) => {
    const child = spawn(
      process.execPath,
      [`${coreFolder}bin/throughline.js`, 'check', '--config', brokenFolder + name],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { PATH: process.env['PATH'] },
      },
    )
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
    const code = await new Promise((resolve) => child.once('close', resolve))
    t.equal(code, 78)
    t.match(output, new RegExp(`${name}:\\d+:\\d+ `))
    t.match(output, /1 error/)
  })
}
