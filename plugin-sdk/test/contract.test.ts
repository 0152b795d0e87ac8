import { test } from 'tap'
import {
  api,
  BRAND,
  contentId,
  defineChannel,
  defineIdentity,
  errorOfStatus,
  idOf,
  isPluginError,
  listOf,
  numberOf,
  objectOf,
  PluginError,
  retryAfterMs,
  textOf,
  timeOf,
} from '../src/index.js'
import type { ConfigSchema, InferConfig } from '../src/index.js'

const config = {
  type: 'object',
  required: ['token'],
  properties: {
    token: { type: 'string', secret: true, description: 'Token' },
    retries: { type: 'integer', default: 3, description: 'Tries' },
    mode: { type: 'string', enum: ['push', 'poll'], default: 'push', description: 'Mode' },
    hosts: { type: 'array', items: { type: 'string' }, description: 'Hosts' },
    limits: { type: 'object', properties: { day: { type: 'number', description: 'A day' } }, description: 'Limits' },
    labels: { type: 'object', additionalProperties: { type: 'string' }, description: 'Labels' },
  },
} as const satisfies ConfigSchema

type Config = InferConfig<typeof config>
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type Flat<T> = { [K in keyof T]: T[K] }
/** Compiles only while the inferred type is this one. */
const inferred: Equal<
  Flat<Config>,
  {
    readonly token: string
    readonly retries: number
    readonly mode: 'push' | 'poll'
    readonly hosts?: readonly string[]
    readonly limits?: InferConfig<typeof config.properties.limits>
    readonly labels?: Readonly<Record<string, string>>
  }
> = true

test('settings are inferred: required and defaulted ones are there, others may be absent', async (t) => {
  const settings: Config = { token: 'x', retries: 3, mode: 'poll', limits: { day: 1 } }
  t.ok(inferred)
  t.equal(config.properties.retries.default, 3)
  t.equal(settings.limits?.day, 1)
  // @ts-expect-error -- a required setting is missing
  const incomplete: Config = { retries: 1, mode: 'push' }
  // @ts-expect-error -- not one of the listed values
  const other: Config = { token: 'x', retries: 1, mode: 'pull' }
  t.ok(incomplete && other)
})

test('a definition is frozen, branded and stamped, and setup sees typed settings', async (t) => {
  const channel = defineChannel({
    name: 'sample',
    version: '1.0.0',
    config: { type: 'object', required: ['token'], properties: { token: { type: 'string', description: 'Token' } } },
    capabilities: { text: { maxLength: 10, format: 'plain' }, receipts: 'none' },
    setup: (context) => {
      const token: string = context.config.token
      return { send: async () => ({ externalId: token }) }
    },
  })
  t.ok(Object.isFrozen(channel))
  t.equal(channel.kind, 'channel')
  t.same(channel[BRAND], api)
  t.equal(BRAND, Symbol.for('throughline.plugin'), 'two copies of the SDK recognise each other')
  const identity = defineIdentity({
    name: 'who',
    version: '1.0.0',
    config: { type: 'object', properties: {} },
    setup: () => ({ resolve: () => [] }),
  })
  t.equal(identity.kind, 'identity')
})

test('an error is recognised by its brand, over copies of the SDK', async (t) => {
  const error = new PluginError('recipient', 'blocked', {
    userMessage: 'Blocked',
    details: { status: 403 },
    cause: new Error('inner'),
  })
  t.ok(isPluginError(error))
  t.match(error, { name: 'PluginError', code: 'recipient', userMessage: 'Blocked', details: { status: 403 } })
  t.equal((error.cause as Error).message, 'inner')
  const foreign = Object.defineProperty(new Error('x'), Symbol.for('throughline.error'), { value: true })
  t.ok(isPluginError(foreign))
  for (const other of [new Error('x'), null, undefined, 'text', 1, {}]) t.notOk(isPluginError(other))
  t.notOk(Object.keys(new PluginError('bug', 'x')).includes('cause'), 'absent options leave nothing behind')
  t.match(PluginError.rateLimited(1500), { code: 'rate_limited', retryAfterMs: 1500 })
})

test('statuses become codes by the table of the contract', async (t) => {
  const code = (status: number, headers: Record<string, string> = {}) => errorOfStatus({ status, headers }, 0)?.code
  const table: readonly (readonly [number, string | undefined])[] = [
    ...[200, 201, 204, 299].map((status) => [status, undefined] as const),
    ...[408, 425, 500, 502, 503, 504].map((status) => [status, 'retryable'] as const),
    ...[400, 404, 409, 413, 422, 301].map((status) => [status, 'permanent'] as const),
    [429, 'rate_limited'],
    [401, 'auth'],
    [403, 'auth'],
  ]
  for (const [status, expected] of table) t.equal(code(status), expected, String(status))
  t.equal(code(503, { 'retry-after': '3' }), 'rate_limited')
  t.equal(errorOfStatus({ status: 404, headers: {} }, 0, { 404: 'recipient' })?.code, 'recipient')
})

test('Retry-After is read as seconds and as a date', async (t) => {
  const now = Date.UTC(2026, 0, 5, 12)
  t.equal(retryAfterMs('7', now), 7000)
  t.equal(retryAfterMs(' 0 ', now), 0)
  t.equal(retryAfterMs(new Date(now + 90_000).toUTCString(), now), 90_000)
  t.equal(retryAfterMs(new Date(now - 90_000).toUTCString(), now), 0)
  t.equal(retryAfterMs('99999999999', now), 86_400_000, 'at most a day')
  for (const odd of [undefined, '', 'soon', '-5', 'NaN', '1e3']) t.equal(retryAfterMs(odd, now), undefined, String(odd))
})

test('tolerant readers answer with the wanted type or with nothing', async (t) => {
  for (const odd of [null, undefined, 1, 'x', true, [], () => 1]) t.same(objectOf(odd), {})
  for (const odd of [null, undefined, 1, 'x', { length: 3 }]) t.same(listOf(odd), [])
  for (const odd of [null, '', 1, {}, []]) t.equal(textOf(odd), undefined)
  t.equal(objectOf({ a: 1 })['a'], 1)
  t.same(
    [
      numberOf(1.5),
      numberOf('2'),
      numberOf('1e999'),
      numberOf(''),
      numberOf('x'),
      numberOf(Number.NaN),
      numberOf(true),
    ],
    [1.5, 2, undefined, undefined, undefined, undefined, undefined],
  )
  t.same(
    [idOf('a'), idOf(7), idOf(2 ** 53 + 2), idOf(1.5), idOf(''), idOf('a\u0000'), idOf('x'.repeat(513)), idOf(null)],
    ['a', '7', undefined, undefined, undefined, undefined, undefined, undefined],
  )
})

test('times that cannot be true become the time of arrival', async (t) => {
  const now = Date.UTC(2026, 0, 5, 12)
  t.equal(timeOf('1767614400', 's', now), 1767614400000)
  t.equal(timeOf(1767614400123, 'ms', now), 1767614400123)
  for (const odd of [0, -1, 'x', null, Infinity, 1767614400123 * 1000])
    t.equal(timeOf(odd, 'ms', now), now, String(odd))
})

test('an id made from content is the same for the same content only', async (t) => {
  t.equal(contentId('x', { a: 1 }), contentId('x', { a: 1 }))
  t.not(contentId('x', { a: 1 }), contentId('x', { a: 2 }))
  t.match(contentId('x', undefined), /^x:[0-9a-f]{32}$/)
})
