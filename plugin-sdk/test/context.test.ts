import nock from 'nock'
import { test } from 'tap'
import { isPluginError } from '../src/index.js'
import {
  checkSettings,
  createBacking,
  createTestContext,
  eventIssues,
  rawRequest,
  settingsOf,
  testEpoch,
  upstreamServer,
} from '../testing/index.js'

const create = (id = 'test', backing = createBacking()) =>
  createTestContext({ kind: 'channel', id, config: {}, backing })
const event = (id: string) => ({ type: 'unknown', id, at: testEpoch, note: 'x' }) as const

test('a request is frozen, has lower-case header names, and reads its body strictly', async (t) => {
  const request = rawRequest({ headers: { 'X-Token': 'a' }, body: { a: 1 }, query: { 'hub.mode': 'subscribe' } })
  t.ok(Object.isFrozen(request))
  t.equal(request.headers['x-token'], 'a')
  t.equal(request.headers['content-type'], 'application/json')
  t.same(request.json(), { a: 1 })
  t.match(request.url, /\?hub\.mode=subscribe$/)
  t.throws(() => rawRequest({ body: new Uint8Array([0xff]) }).text(), TypeError)
  t.throws(() => rawRequest({ body: '{' }).json(), SyntaxError)
  t.equal(
    rawRequest({ body: new URLSearchParams({ a: '1' }) })
      .form()
      .get('a'),
    '1',
  )
})

test('keys named __proto__ are dropped from JSON', async (t) => {
  const value = rawRequest({ body: '{"__proto__":{"polluted":1},"a":{"__proto__":null,"b":2}}' }).json<{ a: object }>()
  t.same(Object.keys(value), ['a'])
  t.same(Object.keys(value.a), ['b'])
  t.equal(Object.getPrototypeOf(value), Object.prototype)
})

test('the inbox stores each id once, and can be away', async (t) => {
  const host = create()
  t.same(await host.context.inbox.accept([event('a'), event('b'), event('a')]), { stored: 2, duplicate: 1 })
  t.same(await host.context.inbox.accept([event('b')]), { stored: 0, duplicate: 1 })
  host.refuseInbox(1)
  await t.rejects(host.context.inbox.accept([event('c')]))
  t.same(
    host.accepted.map(({ id }) => id),
    ['a', 'b'],
  )
})

test('state holds JSON, expires, and swaps only what was expected', async (t) => {
  const host = create()
  const { state } = host.context
  const value = { list: [1, undefined], when: new Date(0) }
  await state.set('k', value)
  t.same(await state.get('k'), { list: [1, null], when: '1970-01-01T00:00:00.000Z' })
  t.equal(await state.cas('k', null, 2), false)
  t.equal(await state.cas('new', null, 2), true)
  t.equal(await state.cas('new', 2, 3), true)
  await state.set('short', 1, { ttlMs: 1000 })
  t.same(
    (await state.list('')).map(({ key }) => key),
    ['k', 'new', 'short'],
  )
  await host.advance(1000)
  t.equal(await state.get('short'), null)
  await state.delete('k')
  t.equal(await state.get('k'), null)
})

test('instances with one backing do not see each other', async (t) => {
  const backing = createBacking()
  const [one, two] = [create('one', backing).context, create('two', backing).context]
  await one.state.set('k', 1)
  const file = await one.files.put(new Uint8Array([1]))
  t.same([await two.state.get('k'), await two.state.list(''), await two.files.get(file.key)], [null, [], null])
  t.equal((await one.files.put(new Uint8Array([1]))).key, file.key, 'the same bytes are one file')
  t.notOk(two.signer.verify('x', one.signer.sign('x')))
  t.ok(one.signer.verify('x', one.signer.sign('x')))
})

test('threads are read in order and watched', async (t) => {
  const { context, threads } = create()
  const seen: unknown[] = []
  const stop = context.threads.watch('t', (what) => void seen.push(what))
  const first = threads.say('t', {})
  threads.say('t', { parts: [{ type: 'text', text: 'Two' }] })
  threads.notify('t', { typing: true })
  stop()
  threads.say('t', {})
  t.same(seen, [{}, {}, { typing: true }])
  t.equal(threads.watchers, 0)
  t.same(
    (await context.threads.read('t', { after: first.cursor, limit: 1 })).map((m) => m.parts),
    [[{ type: 'text', text: 'Two' }]],
  )
})

test('periodic tasks run when the clock reaches them', async (t) => {
  const host = create()
  const runs: number[] = []
  host.context.every('tick', 1000, async () => void runs.push(host.context.clock.now() - testEpoch))
  await host.advance(2500)
  t.same(runs, [1000, 2000])
  host.abort()
  await host.advance(5000)
  t.same(runs, [1000, 2000])
})

test('http sends what it was told and maps what comes back', async (t) => {
  const { context } = create()
  const upstream = await upstreamServer(() => ({ headers: { 'x-a': '1' }, body: { ok: true } }))
  t.teardown(() => upstream.close())
  const answer = await context.http.post(`${upstream.base}/p`, {
    json: { a: 1 },
    bearer: 'b',
    query: { q: 1 },
    headers: { 'X-H': 'h' },
  })
  t.same(answer.json(), { ok: true })
  t.equal(answer.headers['x-a'], '1')
  t.match(upstream.calls[0], {
    method: 'POST',
    path: '/p?q=1',
    body: '{"a":1}',
    headers: { authorization: 'Bearer b', 'x-h': 'h', 'content-type': 'application/json' },
  })
  await context.http.post(upstream.base, { form: { a: 'b c' }, basic: { user: 'u', password: 'p' } })
  t.match(upstream.calls[1], { body: 'a=b+c', headers: { authorization: `Basic ${btoa('u:p')}` } })
  const code = async (run: Promise<unknown>) =>
    run.then(
      () => 'none',
      (error: unknown) => (isPluginError(error) ? error.code : 'other'),
    )
  upstream.behave({ status: 404 })
  t.equal(await code(context.http.get(upstream.base)), 'permanent')
  t.equal(await code(context.http.get(upstream.base, { errors: { 404: 'recipient' } })), 'recipient')
  t.equal((await context.http.get(upstream.base, { allowStatus: true })).status, 404)
  upstream.behave({ body: 'x'.repeat(2000) })
  t.equal(await code(context.http.get(upstream.base, { maxBytes: 1000 })), 'permanent')
  upstream.behave('reset')
  t.equal(await code(context.http.get(upstream.base)), 'retryable')
  t.equal(await code(context.http.post(upstream.base)), 'uncertain')
  upstream.behave('hang')
  t.equal(await code(context.http.get(upstream.base, { timeoutMs: 20 })), 'retryable')
  t.equal(await code(context.http.post(upstream.base, { timeoutMs: 20 })), 'uncertain')
})

test('nothing was sent when nobody listens: a POST may be tried again', async (t) => {
  const { context } = create()
  const upstream = await upstreamServer(() => ({}))
  await upstream.close()
  await t.rejects(context.http.post(upstream.base), { code: 'retryable' })
})

test('requests are caught by nock', async (t) => {
  t.teardown(() => nock.cleanAll())
  nock('https://api.example.test').post('/x', { a: 1 }).reply(429, '', { 'retry-after': '3' })
  await t.rejects(create().context.http.post('https://api.example.test/x', { json: { a: 1 } }), {
    code: 'rate_limited',
    retryAfterMs: 3000,
  })
})

test('settings get their defaults, and complaints name the place', async (t) => {
  const config = {
    type: 'object',
    required: ['token'],
    properties: {
      token: { type: 'string', pattern: '^t', minLength: 2, description: 'Token' },
      count: { type: 'integer', default: 3, minimum: 1, maximum: 5, description: 'Count' },
      hosts: {
        type: 'array',
        items: { type: 'object', properties: { name: { type: 'string', enum: ['a', 'b'] } }, required: ['name'] },
        maxItems: 2,
      },
      labels: { type: 'object', additionalProperties: { type: 'string' } },
    },
  } as const
  const paths = (written: Record<string, unknown>) => checkSettings(config, written).issues.map(({ path }) => path)
  t.same(settingsOf({ name: 'x', config }, { token: 'to' }), { token: 'to', count: 3 })
  t.same(paths({}), ['/token'])
  t.same(paths({ token: 'x' }), ['/token', '/token'])
  t.same(paths({ token: 'to', count: 9 }), ['/count'])
  t.same(paths({ token: 'to', count: 1.5 }), ['/count'])
  t.same(paths({ token: 'to', extra: 1 }), ['/extra'])
  t.same(paths({ token: 'to', hosts: [{ name: 'c' }, {}, { name: 'a', x: 1 }] }), [
    '/hosts',
    '/hosts/0/name',
    '/hosts/1/name',
    '/hosts/2/x',
  ])
  t.same(paths({ token: 'to', labels: { a: 1 } }), ['/labels/a'])
  t.throws(() => settingsOf({ name: 'x', config }, {}), /settings of x: \/token is missing/)
})

test('events the core would refuse are told apart, without their content', async (t) => {
  const good = {
    type: 'message',
    id: 'a',
    at: testEpoch,
    thread: { id: 't' },
    sender: { id: 's' },
    text: 'secret words',
  } as const
  t.same(eventIssues(good), [])
  const bad: readonly object[] = [
    { ...good, id: '' },
    { ...good, at: Number.NaN },
    { ...good, thread: {} },
    { ...good, sender: undefined },
    { ...good, text: '' },
    { ...good, type: 'shout' },
    { ...good, type: 'receipt' },
    { ...good, id: 'x'.repeat(513) },
  ]
  for (const one of bad) {
    const issues = eventIssues(one as never)
    t.ok(issues.length > 0 && !issues.join().includes('secret'), issues.join())
  }
})
