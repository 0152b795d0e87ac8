import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { repository } from './support/repository.js'
import { repositoryFiles } from './support/source-files.js'

/** The reference documents stand beside the project where it is developed, and are no part of it. */
const shared = process.env['THROUGHLINE_SHARED'] ?? join(repository, '../shared')
const spec = join(shared, 'spec/routing-sla-kpi.md')
const vectors = join(shared, 'vectors/sla/business-time.json')

/** `R07: …`, `R19 R24 steps …`, `I1 to I4 hold …`: the numbers a name begins with. */
const NAME = /['"`]((?:[RSBI]\d{1,2}(?::| to | and |, | )\s*)+)[^\s'"`]/g

test('numbers at the beginning of names are found', async (t) => {
  t.same(numbersOf(`test('R07: x', …) test("R19 R24 steps") ['B21: an', 1] test('I1 to I3 hold')`), [
    ...['R07', 'R19', 'R24', 'B21', 'I1', 'I2', 'I3'],
  ])
  t.same(numbersOf(`'see R07' 'R1' 'B2B: mail'`), [])
})

test('every scenario of the routing and SLA reference is the beginning of a test’s name', async (t) => {
  if (!existsSync(spec)) return t.comment(`skipped: ${spec} is not beside the project`)
  const wanted = new Set(
    readFileSync(spec, 'utf8')
      .split('\n')
      .flatMap((line) => /^(?:\| |- )([RSBI]\d{1,2}) /.exec(line)?.[1] ?? []),
  )
  t.ok(wanted.size > 100, `${wanted.size} scenarios`)
  const found = new Set<string>()
  for (const path of repositoryFiles().filter(
    (file) => file.endsWith('.test.ts') && file !== 'test/src/scenarios.test.ts',
  )) {
    const text = readFileSync(join(repository, path), 'utf8')
    for (const number of numbersOf(text)) found.add(number)
    // Named by the vectors themselves: a test each.
    if (text.includes('business-time.json') && text.includes('t.test(`${id}: ') && existsSync(vectors)) {
      const data = JSON.parse(readFileSync(vectors, 'utf8')) as { vectors: { id: string }[] }
      for (const { id } of data.vectors) found.add(id)
    }
  }
  t.same(
    [...wanted].filter((number) => !found.has(number)),
    [],
  )
})

function numbersOf(text: string): readonly string[] {
  return [...text.matchAll(NAME)].flatMap(([, head = '']) => {
    const numbers = head.match(/[RSBI]\d{1,2}/g) ?? []
    const [from, to] = numbers
    if (!head.includes(' to ') || from === undefined || to === undefined) return numbers
    const letter = from.slice(0, 1)
    const [first, last] = [Number(from.slice(1)), Number(to.slice(1))]
    return Array.from(
      { length: last - first + 1 },
      (_, i) => `${letter}${String(first + i).padStart(from.length - 1, '0')}`,
    )
  })
}
