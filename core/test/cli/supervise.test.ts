import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { supervise } from '../../src/cli/supervise.js'

/** A program that notes each of its lives and ends as told, life by life. */
function program(t: Test, ends: readonly string[]) {
  const dir = t.testdir({ lives: '' })
  const lives = join(dir, 'lives')
  const script = join(dir, 'engine.mjs')
  writeFileSync(
    script,
    `import { appendFileSync, readFileSync } from 'node:fs'
     const n = readFileSync(${JSON.stringify(lives)}, 'utf8').length
     appendFileSync(${JSON.stringify(lives)}, '.')
     const end = ${JSON.stringify(ends)}[n] ?? '0'
     if (end === 'wait') setInterval(() => {}, 1000)
     else if (end === 'kill') process.kill(process.pid, 'SIGKILL')
     else process.exit(Number(end))`,
  )
  const said: string[] = []
  const run = () =>
    supervise({
      command: [process.execPath, script],
      env: process.env,
      cwd: dir,
      err: (text) => said.push(text),
      firstPauseMs: 1,
    })
  return { run, said, lives: () => readFileSync(lives, 'utf8').length }
}

test('an engine that dies is started again until it ends in good order', async (t) => {
  const one = program(t, ['1', 'kill', '0'])
  t.equal(await one.run(), 0)
  t.equal(one.lives(), 3)
  t.match(one.said, [/code 1/, /SIGKILL/])
})

test('an engine whose configuration is at fault is not started again', async (t) => {
  const one = program(t, ['78', '0'])
  t.equal(await one.run(), 78)
  t.equal(one.lives(), 1)
})

test('a signal is handed on, and what it ends is not started again', async (t) => {
  const one = program(t, ['wait'])
  const over = one.run()
  while (one.lives() === 0) await new Promise((resolve) => setTimeout(resolve, 20))
  process.emit('SIGTERM')
  t.equal(await over, 1, 'it was ended by the signal, not in good order')
  t.equal(one.lives(), 1)
})
