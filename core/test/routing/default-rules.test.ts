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

test('the example of the specification is a valid rule file and passes its own tests', async (t) => {
  const shared = process.env['THROUGHLINE_SHARED'] ?? fileURLToPath(new URL('../../../../../shared', import.meta.url))
  const queues = new Map(['vip', 'support', 'general'].map((id) => [id, null] as const))
  const loaded = await loadRuleFile(`${shared}/vectors/routing/routing.example.json`, 'routing', { ...names, queues })
  if (loaded === null) return t.comment('skipped: the shared vectors are not beside the project')
  t.strictSame(loaded.problems, [])
  t.equal(loaded.ok, true)
})
