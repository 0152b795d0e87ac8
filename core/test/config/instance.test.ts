import { test } from 'tap'
import type { InstanceConfig } from '../../src/config/contract.js'
import { validateInstance, type PluginSchema } from '../../src/config/instance.js'
import { loadConfig } from '../../src/config/load.js'

const schema: PluginSchema = {
  type: 'object',
  required: ['token'],
  properties: {
    token: { type: 'string', secret: true, description: 'Channel access token' },
    retries: { type: 'integer', default: 3, minimum: 0 },
    verbose: { type: 'boolean' },
    mode: { type: 'string', enum: ['webhook', 'polling'], default: 'webhook' },
    smtp: { type: 'object', properties: { listen: { type: 'string' }, password: { type: 'string', secret: true } } },
    keys: { type: 'array', items: { type: 'string' }, secret: true },
    labels: { type: 'object', additionalProperties: { type: 'string' } },
  },
}

function instance(config: string, env: Record<string, string> = {}): InstanceConfig {
  const text = `version: 1\nchannels:\n  line-jp:\n    use: "@acme/throughline-line"\n    config: ${config}\n`
  const result = loadConfig({ file: 'throughline.yaml', text, env, cwd: '/srv' })
  const found = result.config?.channels[0]
  if (found === undefined) throw new Error(JSON.stringify(result.problems))
  return found
}

test('defaults are filled in, the original stays as it was, and the value is frozen', (t) => {
  const entry = instance('{ token: "${TOKEN}" }', { TOKEN: 'sesame' })
  const result = validateInstance(schema, entry)
  t.ok(result.ok)
  if (!result.ok) return t.end()
  t.same(result.value, { token: 'sesame', retries: 3, mode: 'webhook' })
  t.same(entry.config, { token: 'sesame' })
  t.throws(() => Object.assign(result.value, { retries: 9 }))
  t.same([...result.secrets], ['sesame'])
  t.same(result.problems, [])
  t.end()
})

test('text from variables becomes number and boolean where the plugin wants it; literal text does not', (t) => {
  const env = { TOKEN: '12345', RETRIES: '7', VERBOSE: 'true' }
  const good = validateInstance(
    schema,
    instance('{ token: "${TOKEN}", retries: "${RETRIES}", verbose: "${VERBOSE}" }', env),
  )
  t.match(good, { ok: true, value: { token: '12345', retries: 7, verbose: true } })
  const bad = validateInstance(schema, instance('{ token: "${TOKEN}", retries: "7" }', env))
  t.match(bad, { ok: false, problems: [{ code: 'TL_CONFIG_INVALID', path: 'channels.line-jp.config.retries' }] })
  t.end()
})

test('every fault is placed in the file and credits the plugin', (t) => {
  const options = { plugin: { name: 'line', version: '0.1.0', docs: 'https://example.org/line' } }
  const entry = instance('{ tokn: "${TOKEN}", mode: webhok, smtp: { lisen: x } }', { TOKEN: 'sesame' })
  const result = validateInstance(schema, entry, options)
  t.notOk(result.ok)
  t.same(result.problems.map((item) => [item.code, item.path, item.position.line, item.position.column]).sort(), [
    ['TL_CONFIG_INVALID', 'channels.line-jp.config.mode', 5, 39],
    ['TL_CONFIG_KEY_MISSING', 'channels.line-jp.config', 5, 5],
    ['TL_CONFIG_KEY_UNKNOWN', 'channels.line-jp.config.smtp.lisen', 5, 55],
    ['TL_CONFIG_KEY_UNKNOWN', 'channels.line-jp.config.tokn', 5, 15],
  ])
  for (const item of result.problems) {
    t.equal(item.instance, 'line-jp')
    t.match(item.remedy, 'plugin line 0.1.0 · https://example.org/line')
  }
  t.match(result.problems.map((item) => item.message).join(), 'did you mean "token"')
  t.notMatch(JSON.stringify(result.problems), 'sesame')
  t.end()
})

test('a secret written into the file is a warning, and an error in production; nested ones too', (t) => {
  const entry = instance('{ token: sesame-open, smtp: { password: hunter2 }, keys: [k1-secret] }')
  const lenient = validateInstance(schema, entry)
  t.ok(lenient.ok)
  t.same(
    lenient.problems.map((item) => [item.severity, item.code, item.path]),
    ['token', 'smtp.password', 'keys.0'].map((path) => [
      'warning',
      'TL_CONFIG_SECRET_LITERAL',
      `channels.line-jp.config.${path}`,
    ]),
  )
  if (lenient.ok) t.same([...lenient.secrets].sort(), ['hunter2', 'k1-secret', 'sesame-open'])
  const strict = validateInstance(schema, entry, { production: true })
  t.notOk(strict.ok)
  t.equal(strict.problems.filter((item) => item.severity === 'error').length, 3)
  t.notMatch(JSON.stringify(strict.problems), /sesame|hunter2|k1-secret/)
  t.end()
})

test('a wrong secret is never quoted', (t) => {
  const tight = { ...schema, properties: { token: { type: 'string', secret: true, enum: ['a'] } } } as const
  const result = validateInstance(tight, instance('{ token: sesame-open }'))
  t.notOk(result.ok)
  t.notMatch(JSON.stringify(result.problems), 'sesame-open')
  t.end()
})

test('free maps take any key, closed blocks do not', (t) => {
  const entry = instance('{ token: "${T}", labels: { anything: goes } }', { T: 'sesame' })
  t.match(validateInstance(schema, entry), { ok: true, value: { labels: { anything: 'goes' } } })
  t.end()
})

test("a broken schema of a plugin is the plugin's fault and no exception", (t) => {
  const broken = { type: 'object', properties: { token: { type: 'sting' } } } as const
  const result = validateInstance(broken, instance('{ token: x }'))
  t.match(result, { ok: false, problems: [{ code: 'TL_PLUGIN_INVALID', instance: 'line-jp' }] })
  t.end()
})
