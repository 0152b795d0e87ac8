import { test } from 'tap'
import { basic, custom, equalBytes, hmac, standardWebhooks, token, unverified } from '../src/index.js'
import type { Verifier } from '../src/index.js'
import { rawRequest, sharedSamples, testEpoch } from '../testing/index.js'

const body = new TextEncoder().encode('{"text":"Grüße"}')
const signed = (verifier: Verifier, at = testEpoch) =>
  verifier.sign?.({ body, url: 'https://x.test/webhook', at }) ?? {}
const check = (verifier: Verifier, headers: Record<string, string>, bytes = body, receivedAt = testEpoch) =>
  verifier.verify(rawRequest({ body: bytes, headers, receivedAt }))

const meta = { header: 'x-hub-signature-256', algorithm: 'sha256', encoding: 'hex', prefix: 'sha256=' } as const
const all: readonly (readonly [string, Verifier, Verifier])[] = [
  ['hmac hex', hmac({ ...meta, secret: 'one' }), hmac({ ...meta, secret: 'two' })],
  [
    'hmac base64',
    hmac({ header: 'x-s', algorithm: 'sha1', encoding: 'base64', secret: 'one' }),
    hmac({ header: 'x-s', algorithm: 'sha1', encoding: 'base64', secret: 'two' }),
  ],
  ['token', token({ header: 'x-token', secret: 'one' }), token({ header: 'x-token', secret: 'two' })],
  ['basic', basic({ user: 'u', password: 'one' }), basic({ user: 'u', password: 'two' })],
  ['standard webhooks', standardWebhooks({ secret: 'whsec_b25l' }), standardWebhooks({ secret: 'whsec_dHdv' })],
]

test('every scheme takes what it signed itself and nothing else', async (t) => {
  for (const [name, verifier, other] of all) {
    const headers = signed(verifier)
    t.equal(await check(verifier, headers), 'ok', `${name}: own signature`)
    t.equal(await check(verifier, {}), 'missing', `${name}: nothing`)
    t.equal(await check(other, headers), 'invalid', `${name}: another secret`)
    for (const [header, value] of Object.entries(headers)) {
      t.not(await check(verifier, { ...headers, [header]: value.slice(0, -2) }), 'ok', `${name}: ${header} cut`)
      // Standard Webhooks carries a list of signatures on purpose.
      if (name !== 'standard webhooks')
        t.not(
          await check(verifier, { ...headers, [header]: `x, ${value}` }),
          'ok',
          `${name}: ${header} behind a wrong one`,
        )
      t.not(await check(verifier, { ...headers, [header]: '' }), 'ok', `${name}: ${header} empty`)
    }
  }
})

test('a signature over the body notices one flipped bit', async (t) => {
  for (const [name, verifier] of all.filter(([name]) => name !== 'token' && name !== 'basic')) {
    const flipped = Uint8Array.from(body)
    flipped[3] = (flipped[3] ?? 0) ^ 1
    t.equal(await check(verifier, signed(verifier), flipped), 'invalid', name)
  }
})

test('an empty secret never means that everything is allowed', async (t) => {
  const open = token({ header: 'x-token', secret: '' })
  t.equal(await check(open, {}), 'missing')
  t.equal(await check(open, { 'x-token': '' }), 'missing')
  t.equal(await check(open, { 'x-token': 'anything' }), 'invalid')
})

test('two secrets are accepted while a key is being changed', async (t) => {
  const both = hmac({ ...meta, secret: ['new', 'old'] })
  t.equal(await check(both, signed(hmac({ ...meta, secret: 'old' }))), 'ok')
  t.equal(await check(both, signed(hmac({ ...meta, secret: 'new' }))), 'ok')
  t.equal(await check(both, signed(hmac({ ...meta, secret: 'older' }))), 'invalid')
  const rotated = token({ header: 'x-token', secret: ['new', 'old'] })
  t.equal(await check(rotated, { 'x-token': 'old' }), 'ok')
})

test('standard webhooks refuse what is too old, too new or not a time', async (t) => {
  const verifier = standardWebhooks({ secret: 'one' })
  const at = (ms: number) => check(verifier, signed(verifier, testEpoch + ms))
  t.equal(await at(-299_000), 'ok')
  t.equal(await at(299_000), 'ok')
  t.equal(await at(-600_000), 'invalid')
  t.equal(await at(600_000), 'invalid')
  for (const stamp of ['NaN', '1e9', String(testEpoch), '-5', ' 1'])
    t.equal(await check(verifier, { ...signed(verifier), 'webhook-timestamp': stamp }), 'invalid', stamp)
})

test('standard webhooks take one good signature among several and ignore other versions', async (t) => {
  const verifier = standardWebhooks({ secret: 'one' })
  const headers = signed(verifier)
  const good = headers['webhook-signature'] ?? ''
  t.equal(await check(verifier, { ...headers, 'webhook-signature': `v1,AAAA v1a,zzzz ${good}` }), 'ok')
  t.equal(await check(verifier, { ...headers, 'webhook-signature': good.replace('v1,', 'v2,') }), 'invalid')
})

test('the published example of Standard Webhooks verifies', async (t) => {
  const verifier = standardWebhooks({ secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' })
  const headers = {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  }
  const request = (text: string) => rawRequest({ body: text, headers, receivedAt: 1614265330000 })
  t.equal(await verifier.verify(request('{"test": 2432232314}')), 'ok')
  t.equal(await verifier.verify(request('{"test":2432232314}')), 'invalid', 'the same JSON with other bytes')
})

test('bytes are equal only at the same length', async (t) => {
  const bytes = (text: string) => new TextEncoder().encode(text)
  t.ok(equalBytes(bytes('abc'), bytes('abc')))
  t.notOk(equalBytes(bytes('abc'), bytes('abd')))
  t.notOk(equalBytes(bytes('abc'), bytes('abcd')))
  t.ok(equalBytes(bytes(''), bytes('')))
})

test('a network that cannot sign has to say why', async (t) => {
  const open = unverified('the network sends no signature')
  t.equal(open.unverifiedBecause, 'the network sends no signature')
  t.equal(await check(open, {}), 'ok')
  t.equal(custom('own', () => 'invalid').verify(rawRequest()), 'invalid')
})

test('the published samples of hmac networks verify', async (t) => {
  const load = (file: string) => sharedSamples('vectors', 'signatures', file)
  const line = load('line.json')
  if (line.missing !== undefined) return void t.pass(`skipped: ${line.missing}`)
  type Vector = {
    secret: string
    channelSecret: string
    body: string
    signature: string
    valid: boolean
    header: string
  }
  const vectors = (file: string) => JSON.parse(Buffer.from(load(file).files[0]?.bytes ?? []).toString()) as Vector[]
  for (const v of vectors('line.json')) {
    const header = 'x-line-signature'
    const verifier = hmac({ header, algorithm: 'sha256', encoding: 'base64', secret: v.channelSecret })
    t.equal(
      await verifier.verify(rawRequest({ body: v.body, headers: { [header]: v.signature } })),
      v.valid ? 'ok' : 'invalid',
      'LINE',
    )
  }
  for (const v of vectors('meta-sha256.json')) {
    const verifier = hmac({ ...meta, secret: v.secret })
    t.equal(
      await verifier.verify(rawRequest({ body: v.body, headers: { [v.header]: v.signature } })),
      v.valid ? 'ok' : 'invalid',
      'Meta',
    )
  }
})
