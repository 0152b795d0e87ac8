import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { test } from 'tap'
import { loadConfig } from '../../src/config/load.js'
import { formatProblems } from '../../src/config/report.js'
import { defaultFile, projectFolder } from './fixtures.js'

const original = readFileSync(defaultFile, 'utf8')
const lines = original.split('\n')

const bits = fc.constantFrom(
  '',
  ' ',
  '  ',
  '\t',
  '\n',
  ':',
  '- ',
  '[',
  ']',
  '{',
  '}',
  '"',
  "'",
  '#',
  '&a ',
  '*a',
  '!x ',
  '<<: ',
  '---\n',
  '${',
  '${X}',
  '${X:-1}',
  '__proto__',
  'null',
  '1e999',
  '\u0000',
  '\uFFFF',
  '~',
)
const edit = fc.record({ at: fc.nat(original.length), length: fc.nat(12), insert: fc.oneof(bits, fc.string()) })
const lineEdit = fc.record({ from: fc.nat(lines.length - 1), to: fc.nat(lines.length - 1), drop: fc.boolean() })

function sound(text: string): boolean {
  const result = loadConfig({ file: defaultFile, text, env: {}, cwd: projectFolder })
  const report = formatProblems(result.problems, { cwd: projectFolder, readSource: () => text })
  const count = text.split(/\r\n|\r|\n/).length
  const placed = result.problems.every((item) => {
    const { line, column } = item.position
    return line >= 1 && line <= count + 1 && column >= 1 && item.remedy !== '' && item.message !== ''
  })
  const explained = result.ok || result.problems.some((item) => item.severity === 'error' && item.instance === null)
  return placed && explained && typeof report === 'string'
}

test('property: no edit of the default file makes the reader throw or leaves a refusal unexplained', (t) => {
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      let text = original
      for (const { at, length, insert } of edits) text = text.slice(0, at) + insert + text.slice(at + length)
      return sound(text)
    }),
    { numRuns: 300 },
  )
  t.pass()
  t.end()
})

test('property: lines moved, doubled or lost are survived as well', (t) => {
  fc.assert(
    fc.property(fc.array(lineEdit, { minLength: 1, maxLength: 3 }), (edits) => {
      const changed = [...lines]
      for (const { from, to, drop } of edits) {
        const line = changed[from] ?? ''
        if (drop) changed.splice(from, 1)
        changed.splice(to, 0, line)
      }
      return sound(changed.join('\n'))
    }),
    { numRuns: 200 },
  )
  t.pass()
  t.end()
})
