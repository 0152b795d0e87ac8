import { test, type Test } from 'tap'
import { run } from '../../src/cli/run.js'
import { recordingTerminal, type RecordingTerminal } from './recording-terminal.js'

const samplePlugin = `
import { createHmac } from 'node:crypto'
import { defineChannel, hmac } from '@throughline/plugin-sdk'

export default defineChannel({
  name: 'sample',
  version: '1.2.3',
  config: {
    type: 'object',
    required: ['secret'],
    properties: {
      secret: { type: 'string', secret: true, description: 'Signs webhooks' },
      size: { type: 'integer', default: 3, description: 'A number' },
    },
  },
  capabilities: { text: { maxLength: 100, unit: 'chars', markup: 'none' } },
  async check(ctx) {
    if (ctx.config.size === 9) throw new Error('refused with ' + ctx.config.secret)
    return { ok: ctx.config.size < 5, account: 'account of ' + ctx.id }
  },
  setup(ctx) {
    return {
      webhook: {
        verify: hmac({ header: 'x-signature', algorithm: 'sha256', encoding: 'hex', secret: ctx.config.secret }),
        parse(request) {
          const body = request.json()
          return [{ id: body.id, type: 'unknown', at: request.receivedAt, lane: body.id, raw: { secret: ctx.config.secret } }]
        },
      },
      async send() {
        return { externalId: 'x' }
      },
    }
  },
})
`

const brokenPlugin = `export default { name: 'not a plugin' }\n`
const throwingPlugin = `throw new Error('no')\n`

function file(channels: string): string {
  return `version: 1\nchannels:\n${channels}`
}

const good = file('  shop: { use: "./sample.mjs", config: { secret: "${SECRET}" } }\n')

async function command(
  t: Test,
  config: string,
  argv: readonly string[],
): Promise<RecordingTerminal & { readonly code: number }> {
  const cwd = t.testdir({
    'config.yaml': config,
    'sample.mjs': samplePlugin,
    'broken.mjs': brokenPlugin,
    'throwing.mjs': throwingPlugin,
    'payload.json': '{"id":"m1"}',
    'odd.json': '{"id":',
  })
  const terminal = recordingTerminal({ cwd, env: { SECRET: 'sesame-open', THROUGHLINE_CONFIG: 'config.yaml' } })
  const code = await run(argv, terminal)
  return Object.assign(terminal, { code })
}

test('check goes through the settings of plugins, and through what cannot be loaded', async (t) => {
  t.equal((await command(t, good, ['check'])).code, 0)
  const faults: readonly (readonly [string, string, string, RegExp])[] = [
    ['  shop: { use: "./sample.mjs" }\n', 'TL_CONFIG_KEY_MISSING', 'channels.shop.config', /"secret" is missing/],
    [
      '  shop: { use: "./sample.mjs", config: { secret: "${SECRET}", sise: 1 } }\n',
      'TL_CONFIG_KEY_UNKNOWN',
      'channels.shop.config.sise',
      /did you mean "size"/,
    ],
    ['  shop: { use: "./absent.mjs" }\n', 'TL_PLUGIN_NOT_FOUND', 'channels.shop.use', /absent/],
    ['  shop: { use: "./broken.mjs" }\n', 'TL_PLUGIN_INVALID', 'channels.shop.use', /define/],
    ['  shop: { use: "./throwing.mjs" }\n', 'TL_PLUGIN_LOAD_FAILED', 'channels.shop.use', /cannot be imported: no/],
    [
      '  {}\nrouting:\n  shop: { use: "./sample.mjs" }\n',
      'TL_PLUGIN_INVALID',
      'routing.shop.use',
      /kind channel, not routing/,
    ],
  ]
  for (const [channels, code, path, message] of faults) {
    const result = await command(t, file(channels), ['check', '--json'])
    t.equal(result.code, 78, path)
    const { problems } = JSON.parse(result.output)
    t.equal(problems.length, 1)
    t.match(problems[0], { code, path, message, remedy: /\S/, instance: 'shop' })
    t.ok(problems[0].position.line >= 3)
  }
})

test('plugin list shows every instance, also those that cannot work', async (t) => {
  const config = `${good}  other: { use: "./absent.mjs" }\n`
  const result = await command(t, config, ['plugin', 'list'])
  t.equal(result.code, 78)
  t.match(result.output, /shop +channel +\.\/sample\.mjs +sample +1\.2\.3 +fine/)
  t.match(result.output, /other +channel +\.\/absent\.mjs +1 wrong/)
  const json = await command(t, config, ['plugin', 'list', '--json'])
  t.match(JSON.parse(json.output), [
    { id: 'shop', problems: [] },
    { id: 'other', problems: [/TL_PLUGIN_NOT_FOUND/] },
  ])
  t.equal((await command(t, good, ['plugin', 'list'])).code, 0)
})

test('plugin schema prints the settings by instance id', async (t) => {
  const result = await command(t, good, ['plugin', 'schema', 'shop'])
  t.match(JSON.parse(result.output), { additionalProperties: false, properties: { size: { default: 3 } } })
  const typo = await command(t, good, ['plugin', 'schema', 'shopp'])
  t.equal(typo.code, 64)
  t.match(typo.errors, 'did you mean "shop"?')
})

test('plugin doctor proves credentials and never shows them', async (t) => {
  const proven = await command(t, good, ['plugin', 'doctor', 'shop'])
  t.equal(proven.code, 0)
  t.match(proven.output, /shop +ok +account of shop/)
  const refused = file('  shop: { use: "./sample.mjs", config: { secret: "${SECRET}", size: 7 } }\n')
  t.equal((await command(t, refused, ['plugin', 'doctor'])).code, 1)
  const thrown = await command(t, refused.replace('7', '9'), ['plugin', 'doctor', '--json'])
  t.equal(thrown.code, 1)
  t.match(JSON.parse(thrown.output), [{ id: 'shop', ok: false, detail: 'refused with [redacted]' }])
})

test('plugin simulate verifies and parses a payload without storing anything', async (t) => {
  const signed = await command(t, good, ['plugin', 'simulate', 'shop', 'payload.json', '--sign'])
  t.equal(signed.code, 0, signed.errors)
  t.match(JSON.parse(signed.output), { scheme: 'hmac-sha256', verification: 'ok', events: [{ id: 'm1' }], error: null })
  t.notMatch(signed.output, 'sesame-open')
  const plain = await command(t, good, ['plugin', 'simulate', 'shop', 'payload.json'])
  t.equal(plain.code, 1)
  t.match(JSON.parse(plain.output), { verification: 'missing' })
  const forged = await command(t, good, ['plugin', 'simulate', 'shop', 'payload.json', '--header', 'X-Signature: 00'])
  t.match(JSON.parse(forged.output), { verification: 'invalid' })
  const odd = await command(t, good, ['plugin', 'simulate', 'shop', 'odd.json', '--sign'])
  t.equal(odd.code, 1)
  t.match(JSON.parse(odd.output), { verification: 'ok', events: [], error: /JSON/ })
})

test('mistakes in the call of plugin commands are usage errors', async (t) => {
  for (const [argv, wanted] of [
    [['plugin', 'simulate', 'shop'], 'the file with the payload is missing'],
    [['plugin', 'simulate', 'shpo', 'payload.json'], 'did you mean "shop"?'],
    [['plugin', 'simulate', 'shop', 'absent.json'], 'cannot read the payload'],
    [['plugin', 'simulate', 'shop', 'payload.json', '--header', 'x'], 'name: value'],
    [['plugin', 'doctor', 'shpo'], 'did you mean "shop"?'],
    [['plugin', 'docter'], 'did you mean "doctor"?'],
  ] as const) {
    const result = await command(t, good, argv)
    t.equal(result.code, 64, argv.join(' '))
    t.match(result.errors, wanted)
  }
})
