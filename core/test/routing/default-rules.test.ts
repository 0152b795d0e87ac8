import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { loadRuleFile } from '../../src/routing/rules/rule-file.js'

const names = {
  queues: new Map([
    ['support', null],
    ['sales', 'support'],
    ['billing', null],
  ]),
  skills: ['billing', 'product'],
  teams: ['support', 'sales', 'billing'],
  definitions: [],
}

for (const kind of ['routing', 'continuity'] as const) {
  test(`the ${kind} rules that come with the engine pass every check and their own tests`, async (t) => {
    const path = fileURLToPath(new URL(`../../../../config/rules/${kind}.json`, import.meta.url))
    const loaded = await loadRuleFile(path, kind, names)
    t.strictSame(loaded?.problems, [])
    t.equal(loaded?.ok, true)
  })
}
