import { isDeepStrictEqual as same } from 'node:util'
import type { ConfigSchema, InboundEvent, RawRequest, Webhook } from '../src/index.js'
import type { Harness, SampleRequest } from './channel-conformance.js'
import type { Check, Runner } from './checks.js'
import { eventIssues } from './events.js'
import { mutations } from './mutate.js'
import { rawRequest, testEpoch, testPublicUrl } from './request.js'

const difficultTexts = [
  'שלום עולם',
  '👨‍👩‍👧‍👦 family',
  '日本語テキスト',
  'e\u0301\u0323 combining',
  'a\u202Eb rtl',
  'line\nbreak',
  ' spaces ',
]

export async function inboundChecks<S extends ConfigSchema>(runner: Runner, harness: Harness<S>): Promise<void> {
  const { options } = harness
  const { channel, host } = await harness.build()
  const { webhook } = channel
  const none = webhook === undefined ? 'the channel has no webhook' : undefined
  const hook = webhook as Webhook
  const samples = Object.entries(options.requests)
  const bytesOf = (body: unknown) => rawRequest({ body }).body
  const signed = (body: unknown, extra: SampleRequest['headers'] = {}, at = testEpoch): RawRequest => {
    const bytes = bytesOf(body)
    const url = `${testPublicUrl}/webhook`
    const headers = { ...extra, ...hook.verify.sign?.({ body: bytes, url, at }) }
    return rawRequest({ body: bytes, url, headers, receivedAt: testEpoch })
  }
  const parse = (sample: SampleRequest) => hook.parse(signed(sample.body, sample.headers))

  const unsigned = none ?? (webhook?.verify.unverifiedBecause === undefined ? undefined : 'the network cannot sign')
  await runner.check(
    'I1',
    'only what is signed with the right secret enters',
    (t) => {
      t.ok(samples.length > 0, 'a channel with a webhook gives samples in `requests`')
      return verification(t, hook, samples[0]?.[1].body ?? {}, signed)
    },
    unsigned ?? (webhook?.verify.sign === undefined ? 'the verifier cannot sign samples' : undefined),
  )
  await runner.check(
    'I2',
    'parse is pure: the same bytes give the same events, and nothing is called',
    (t) => {
      for (const [name, sample] of samples) {
        t.ok(same(parse(sample), parse(sample)), `${name}: twice the same`)
        t.ok(
          parse(sample).every((event) => eventIssues(event).length === 0),
          `${name}: ${problems(parse(sample))}`,
        )
        const types = parse(sample).map((event) => event.type)
        if (sample.types !== undefined) t.equal(types.join(' '), sample.types.join(' '), `${name}: types`)
      }
      t.equal(host.accepted.length, 0, 'parse stores nothing')
      t.equal(Object.keys(host.counts).length + host.logs.length, 0, 'parse counts and logs nothing')
    },
    none,
  )
  await runner.check(
    'I3',
    'ids are unique in a request, and a redelivery is recognised',
    async (t) => {
      const fresh = (await harness.build()).host
      const inbox = fresh.context.inbox
      for (const [name, sample] of samples) {
        const ids = parse(sample).map((event) => event.id)
        t.equal(new Set(ids).size, ids.length, `${name}: no id twice`)
        await inbox.accept(parse(sample))
        t.equal((await inbox.accept(parse(sample))).stored, 0, `${name}: a redelivery stores nothing`)
      }
    },
    none,
  )
  await runner.check(
    'I4',
    'spoilt bodies yield good events or a parked body, never anything else',
    (t) => {
      const bad: string[] = []
      let tried = 0
      for (const [name, sample] of samples) {
        for (const spoilt of mutations(bytesOf(sample.body))) {
          tried += 1
          const problem = afterSpoiling(hook, rawRequest({ body: spoilt.body, headers: { ...sample.headers } }))
          if (problem !== undefined) bad.push(`${name}, ${spoilt.name}: ${problem}`)
        }
      }
      t.ok(tried > 0, `${tried} spoilt bodies`)
      t.equal(bad.slice(0, 5).join('\n'), '', 'all of them are handled')
      t.equal((Object.prototype as Record<string, unknown>)['polluted'], undefined, 'Object.prototype is as it was')
    },
    none,
  )
  await runner.check(
    'I5',
    'one odd item among good ones costs only itself',
    (t) => {
      const { good, odd } = options.oddItem as { good: unknown; odd: unknown }
      const expected = hook.parse(signed(good)).map((event) => event.id)
      const found = new Set(hook.parse(signed(odd)).map((event) => event.id))
      const kept = expected.filter((id) => found.has(id)).length
      t.ok(expected.length > 1, 'the good body has several events')
      t.ok(kept >= expected.length - 1, `${kept} of ${expected.length} events are still there`)
    },
    none ?? (options.oddItem === undefined ? 'one request carries one event' : undefined),
  )
  const echoes = samples.filter(([, sample]) => sample.echo === true)
  await runner.check(
    'I6',
    'our own messages reported back are flagged as echoes',
    (t) => {
      for (const [name, sample] of echoes) {
        const messages = parse(sample).filter((event) => event.type === 'message')
        t.ok(messages.length > 0, `${name}: there is a message`)
        for (const message of messages) t.equal(message.echo, true, `${name}: flagged`)
      }
    },
    none ?? (echoes.length === 0 ? 'the network reports no messages of ours back' : undefined),
  )
  await runner.check(
    'I7',
    'scripts, emoji and directions arrive as they were written',
    (t) => {
      for (const text of difficultTexts) {
        const [event] = hook.parse(signed(options.withText?.(text)))
        t.ok(event?.type === 'message', 'a message')
        t.ok(event !== undefined && JSON.stringify(event).includes(JSON.stringify(text).slice(1, -1)), 'the same text')
      }
    },
    none ?? (options.withText === undefined ? 'no sample with a text of choice' : undefined),
  )
  await runner.check(
    'I8',
    'the handshake is answered, a wrong one is not',
    (t) => {
      const { query, body, wrong } = options.challenge as NonNullable<typeof options.challenge>
      t.equal(hook.challenge?.(rawRequest({ method: 'GET', query }))?.body, body, 'the expected answer')
      const refused = hook.challenge?.(rawRequest({ method: 'GET', query: wrong }))
      t.ok(refused === undefined || (refused.status ?? 200) >= 400, 'a wrong one gets nothing')
      t.ok(hook.challenge?.(rawRequest({ method: 'GET' })) === undefined, 'an empty one gets nothing')
    },
    none ?? (options.challenge === undefined ? 'the network has no handshake' : undefined),
  )
}

async function verification(
  t: Check,
  { verify }: Webhook,
  body: unknown,
  signed: (body: unknown, extra?: SampleRequest['headers'], at?: number) => RawRequest,
): Promise<void> {
  const good = signed(body)
  const again = (changes: { body?: Uint8Array; headers?: Readonly<Record<string, string>> }) =>
    verify.verify(
      rawRequest({ body: changes.body ?? good.body, headers: changes.headers ?? good.headers, url: good.url }),
    )
  t.equal(await verify.verify(good), 'ok', 'signed well: ok')
  const proof = verify.sign?.({ body: good.body, url: good.url, at: testEpoch }) ?? {}
  const signing = Object.keys(proof)
  const without = Object.fromEntries(Object.entries(good.headers).filter(([name]) => !signing.includes(name)))
  t.equal(await again({ headers: without }), 'missing', 'no header: missing')
  for (const name of signing) {
    const value = proof[name] ?? ''
    const swapped = (value.endsWith('A') ? 'B' : 'A') + value.slice(1)
    t.ok((await again({ headers: { ...good.headers, [name]: swapped } })) !== 'ok', `${name} changed: refused`)
    t.ok((await again({ headers: { ...good.headers, [name]: value.slice(0, -4) } })) !== 'ok', `${name} cut: refused`)
    t.ok((await again({ headers: { ...good.headers, [name]: '' } })) !== 'ok', `${name} empty: refused`)
  }
  const flipped = Uint8Array.from(good.body)
  flipped[0] = (flipped[0] ?? 0) ^ 1
  const overBody = verify.scheme !== 'token' && verify.scheme !== 'basic'
  if (overBody) t.equal(await again({ body: flipped }), 'invalid', 'one bit of the body flipped: invalid')
  const stale = signed(body, {}, testEpoch - 600_000)
  const stamped = !same(verify.sign?.({ body: good.body, url: good.url, at: testEpoch - 600_000 }), proof)
  if (stamped) t.equal(await verify.verify(stale), 'invalid', 'ten minutes old: invalid')
}

function afterSpoiling(hook: Webhook, request: RawRequest): string | undefined {
  let events: readonly InboundEvent[]
  try {
    events = hook.parse(request)
  } catch (error) {
    return error instanceof Error ? undefined : 'threw something that is not an Error'
  }
  if (!Array.isArray(events)) return 'parse did not return a list'
  const issues = events.flatMap(eventIssues)
  return issues.length === 0 ? undefined : issues.join(', ')
}

const problems = (events: readonly InboundEvent[]) => events.flatMap(eventIssues).join(', ') || 'well-formed'
