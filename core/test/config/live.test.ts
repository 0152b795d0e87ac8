import { test } from 'tap'
import type { Config, ConfigResult } from '../../src/config/contract.js'
import { createLiveConfig } from '../../src/config/live.js'
import { loadConfig } from '../../src/config/load.js'
import { brokenFiles, brokenFolder } from './fixtures.js'
import { readFileSync } from 'node:fs'

const load = (text: string): ConfigResult => loadConfig({ file: 'throughline.yaml', text, env: {}, cwd: brokenFolder })

function started(text: string): Config {
  const result = load(text)
  if (!result.ok) throw new Error('the test needs a good configuration')
  return result.config
}

test('P14: no broken file changes a running configuration, and each names file, line, key and remedy', (t) => {
  const first = started('version: 1\nserver: { port: 9000 }')
  let text = ''
  const live = createLiveConfig(first, () => load(text))
  live.onChange(() => t.fail('nothing may change'))
  for (const broken of brokenFiles()) {
    text = readFileSync(broken.file, 'utf8')
    const { changed, problems } = live.reload()
    t.notOk(changed, broken.name)
    t.equal(live.current, first)
    const found = problems.find((item) => item.severity === 'error')
    t.match(found, { code: broken.code, position: { line: broken.line }, path: /\S/, remedy: /\S/ })
  }
  t.end()
})

test('a good edit takes effect and is told; listeners can leave', (t) => {
  let text = 'version: 1\nserver: { port: 9001 }'
  const live = createLiveConfig(started('version: 1\nserver: { port: 9000 }'), () => load(text))
  const seen: number[][] = []
  const leave = live.onChange((next, previous) => seen.push([previous.server.port, next.server.port]))
  t.ok(live.reload().changed)
  t.equal(live.current.server.port, 9001)
  leave()
  text = 'version: 1\nserver: { port: 9002 }'
  live.reload()
  t.same(seen, [[9000, 9001]])
  t.equal(live.current.server.port, 9002)
  t.end()
})
