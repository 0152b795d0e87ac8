import fc from 'fast-check'
import { test } from 'tap'
import { substitute, type SubstitutionSources } from '../../src/config/env.js'

const none: SubstitutionSources = { env: {}, readFile: () => ({ reason: 'it does not exist' }) }
const withEnv = (env: Record<string, string>): SubstitutionSources => ({ ...none, env })

test('the forms of a variable', (t) => {
  const sources: SubstitutionSources = {
    env: { SET: 'value', EMPTY: '' },
    readFile: (path) => (path === '/run/secrets/token' ? { text: 'sesame\n\n' } : { reason: 'it does not exist' }),
  }
  const cases: readonly (readonly [string, string])[] = [
    ['${SET}', 'value'],
    ['a-${SET}-${SET}', 'a-value-value'],
    ['${SET:-other}', 'value'],
    ['${UNSET:-other}', 'other'],
    ['${EMPTY:-other}', 'other'],
    ['${EMPTY}', ''],
    ['${UNSET:-}', ''],
    ['${UNSET:-a:-b}', 'a:-b'],
    ['${SET:?why}', 'value'],
    ['$${SET}', '${SET}'],
    ['$$${SET}', '$${SET}'],
    ['$ {SET} $SET', '$ {SET} $SET'],
    ['${file:/run/secrets/token}', 'sesame\n'],
  ]
  for (const [text, wanted] of cases) {
    const result = substitute(text, sources)
    t.same([result.text, result.failures], [wanted, []], text)
  }
  t.end()
})

test('what is missing is named, with the reason the operator gave', (t) => {
  t.match(substitute('${UNSET}', none).failures, [{ code: 'TL_CONFIG_ENV_MISSING', message: 'UNSET is not set' }])
  t.match(substitute('${UNSET:?the https address}', none).failures, [
    { message: 'UNSET is not set: the https address' },
  ])
  t.match(substitute('${EMPTY:?x}', withEnv({ EMPTY: '' })).failures, [{ code: 'TL_CONFIG_ENV_MISSING' }])
  t.match(substitute('${file:/x}', none).failures, [{ code: 'TL_CONFIG_FILE_UNREADABLE', message: 'does not exist' }])
  for (const text of ['${', '${A', '${}', '${1A}', '${A-b}', '${A:+b}', '${A B}', '${file:}']) {
    t.match(substitute(text, none).failures, [{ code: 'TL_CONFIG_ENV_SYNTAX' }], text)
  }
  t.end()
})

const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,12}$/)

test('property: a set variable is inserted literally, whatever it holds', (t) => {
  fc.assert(
    fc.property(name, fc.string(), fc.string(), fc.string(), (variable, value, before, after) => {
      fc.pre(!before.includes('$') && !after.includes('${'))
      const result = substitute(`${before}\${${variable}}${after}`, withEnv({ [variable]: value }))
      return result.failures.length === 0 && result.text === before + value + after
    }),
  )
  t.pass()
  t.end()
})

test('property: text without "${" stays as it is, and is not marked', (t) => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      fc.pre(!text.includes('${'))
      const result = substitute(text, none)
      return result.text === text && !result.substituted && result.foreign.length === 0
    }),
  )
  t.pass()
  t.end()
})

test('property: any text can be written by doubling the dollar', (t) => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('$', '{', '}', 'A', ':-', '${A}')), (parts) => {
      const text = parts.join('').replaceAll(/\$+\{/g, () => '${')
      const result = substitute(
        text.replaceAll('${', () => '$${'),
        none,
      )
      return result.text === text && result.failures.length === 0
    }),
  )
  t.pass()
  t.end()
})

test('property: no text makes substitution throw, and every value from outside is reported as foreign', (t) => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom('${', '}', '$', '$${', ':-', ':?', 'file:', 'A', '${A}', '${A:-x}'),
  )
  fc.assert(
    fc.property(fc.array(piece), fc.string({ minLength: 1 }), (parts, value) => {
      const result = substitute(parts.join(''), withEnv({ A: value }))
      return result.foreign.every((text) => text === value) && (!result.substituted || parts.join('').includes('${'))
    }),
  )
  t.pass()
  t.end()
})
