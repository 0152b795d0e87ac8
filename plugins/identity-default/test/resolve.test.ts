import fc from 'fast-check'
import { test } from 'tap'
import type { Assurance, IdentityQuery, SenderIdentifier } from '@throughline/plugin-sdk'
import { createTestContext, identityConformance, settingsOf } from '@throughline/plugin-sdk/testing'
import plugin from '../src/index.js'

const build = (settings: Record<string, unknown> = {}) => {
  const { context } = createTestContext({ kind: 'identity', config: settingsOf(plugin, settings) })
  const identity = plugin.setup(context)
  if (identity instanceof Promise) throw new Error('setup is synchronous')
  return (query: IdentityQuery) => {
    const matches = identity.resolve(query, context.signal)
    if (matches instanceof Promise) throw new Error('resolve is synchronous')
    return matches
  }
}
const sender = (identifiers: readonly SenderIdentifier[], assurance?: Assurance) => ({
  channel: 'shop',
  sender: { id: 'person', identifiers, ...(assurance ? { assurance } : {}) },
  hints: {},
})

test('identity-default passes the conformance kit', async (t) => {
  const report = await identityConformance(t, plugin, {
    root: new URL('../../', import.meta.url),
    config: { defaultCountry: 'DE' },
    invalidConfig: [
      { config: { defaultCountry: 'Germany' }, path: '/defaultCountry' },
      { config: { foldGmail: 'yes' }, path: '/foldGmail' },
    ],
  })
  t.same(report.failed, [])
  t.equal(report.grade, 'gold')
})

test('identifiers come back in normal form with evidence', async (t) => {
  const matches = build()(
    sender([
      { kind: 'phone', value: '+49 30 123456' },
      { kind: 'Email', value: 'Ada <ADA@example.test>', assurance: 'claimed' },
      { kind: 'telegram', value: ' 123 ' },
      { kind: 'device', value: 'abc' },
    ]),
  )
  t.same(
    matches.map((m) => [m.identifier.kind, m.identifier.value, m.assurance]),
    [
      ['phone', '+4930123456', 'verified'],
      ['email', 'ada@example.test', 'claimed'],
      ['telegram', '123', 'verified'],
      ['device', 'abc', 'verified'],
    ],
  )
  t.equal(matches[0]?.evidence, 'shop vouches for the phone number.')
  t.ok((matches[3]?.confidence ?? 1) < (matches[2]?.confidence ?? 0), 'a device says less than an account')
})

test('a claimed sender has claimed identifiers only', async (t) => {
  const matches = build()(sender([{ kind: 'email', value: 'victim@example.test', assurance: 'verified' }], 'claimed'))
  t.same(
    matches.map((m) => m.assurance),
    ['claimed'],
  )
})

test('what stands in the message is claimed even when the channel vouches for the sender', async (t) => {
  const matches = build()({
    channel: 'shop',
    sender: { id: 'p', identifiers: [{ kind: 'phone', value: '+4930123456' }] },
    hints: { email: 'Ada@Example.test', phone: '+49 30 999999', name: 'Ada' },
  })
  t.same(
    matches.map((m) => [m.identifier.value, m.assurance]),
    [
      ['+4930123456', 'verified'],
      ['ada@example.test', 'claimed'],
      ['+4930999999', 'claimed'],
    ],
  )
})

test('the same identifier twice is one, with the better assurance', async (t) => {
  const [match, ...rest] = build()({
    ...sender([{ kind: 'phone', value: '+52 1 55 1234 5678' }]),
    hints: { phone: '+52 55 1234 5678' },
  })
  t.equal(match?.assurance, 'verified')
  t.same(rest, [])
})

test('a short code the network vouches for is kept; typed nonsense is dropped', async (t) => {
  t.equal(build()(sender([{ kind: 'phone', value: '72 975' }]))[0]?.identifier.value, '72975')
  t.same(build()(sender([{ kind: 'phone', value: '72975', assurance: 'claimed' }])), [])
  t.same(build()({ ...sender([]), hints: { email: 'not an address', phone: 'later' } }), [])
})

test('no sequence of claims ever yields a verified identifier', async (t) => {
  const resolve = build({ defaultCountry: 'DE' })
  const identifier = fc.record({
    kind: fc.oneof(fc.constantFrom('phone', 'email', 'device', '__proto__'), fc.string()),
    value: fc.oneof(fc.string(), fc.emailAddress(), fc.stringMatching(/^\+?[0-9]{5,14}$/)),
  })
  const claimed = fc.array(identifier.map((i) => ({ ...i, assurance: 'claimed' as const })))
  fc.assert(
    fc.property(claimed, fc.array(identifier), fc.dictionary(fc.string(), fc.string()), (own, forged, hints) => {
      const open = resolve({
        channel: 'c',
        sender: { id: 'p', identifiers: own },
        hints: { ...hints, email: 'a@b.test' },
      })
      const unsure = resolve({ channel: 'c', sender: { id: 'p', assurance: 'claimed', identifiers: forged }, hints })
      return [...open, ...unsure].every((match) => match.assurance === 'claimed')
    }),
    { numRuns: 2000 },
  )
  t.pass('2000 generated senders')
})
