import { test } from 'tap'
import type { RunningEngine } from '../../src/cli/engine-entry.js'
import { run } from '../../src/cli/run.js'
import { ThroughlineError } from '../../src/errors.js'
import { fakeEngine } from './fake-engine.js'
import { recordingTerminal } from './recording-terminal.js'

const forever = new Promise<number>(() => undefined)

test('a signal stops the engine in good order and ends with 0', async (t) => {
  const cwd = t.testdir({ 'config.yaml': 'version: 1\n' })
  const events: string[] = []
  const engine: RunningEngine = {
    done: forever,
    stop: () => {
      events.push('stopped')
      return Promise.resolve()
    },
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const before = process.listenerCount(signal)
    const entry = fakeEngine(({ configFile }) => {
      events.push(configFile)
      setImmediate(() => process.emit(signal))
      return Promise.resolve(engine)
    }).entry
    t.equal(await run(['start', '--config', 'config.yaml'], recordingTerminal({ cwd }), entry), 0)
    t.equal(process.listenerCount(signal), before, 'no listener stays behind')
  }
  t.same(events, [`${cwd}/config.yaml`, 'stopped', `${cwd}/config.yaml`, 'stopped'])
})

test('a signal while the engine still starts is not lost', async (t) => {
  const cwd = t.testdir({ 'config.yaml': 'version: 1\n' })
  let stopped = false
  const entry = fakeEngine(() => {
    process.emit('SIGTERM')
    return Promise.resolve({
      done: forever,
      stop: () => {
        stopped = true
        return Promise.resolve()
      },
    })
  }).entry
  t.equal(await run(['start', '--config', 'config.yaml'], recordingTerminal({ cwd }), entry), 0)
  t.ok(stopped)
})

test('an engine that ends by itself hands its exit code on', async (t) => {
  const cwd = t.testdir({ 'config.yaml': 'version: 1\n' })
  const entry = fakeEngine(() => Promise.resolve({ done: Promise.resolve(1), stop: () => Promise.resolve() })).entry
  t.equal(await run(['start', '--config', 'config.yaml'], recordingTerminal({ cwd }), entry), 1)
})

test('a failure at start is one line with the code, and the exit code that fits', async (t) => {
  const cwd = t.testdir({ 'config.yaml': 'version: 1\n' })
  const cases = [
    [new ThroughlineError('TL_STORE_UNAVAILABLE', 'db:5432 does not answer: check that\n PostgreSQL runs'), 69],
    [new ThroughlineError('TL_CONFIG_INVALID', 'no: correct it'), 78],
    [new ThroughlineError('TL_STORE_MIGRATION_FAILED', 'no: read the cause'), 1],
    [new TypeError('x is not a function'), 1],
  ] as const
  for (const [error, code] of cases) {
    const terminal = recordingTerminal({ cwd })
    const entry = fakeEngine(() => Promise.reject(error)).entry
    t.equal(await run(['start', '--config', 'config.yaml'], terminal, entry), code, error.message)
    t.match(terminal.errors, /^throughline: .+ \(TL_\w+\)$/)
    t.notMatch(terminal.errors, '\n')
  }
})
