import { testEpoch } from '@throughline/plugin-sdk/testing'
import { test } from 'tap'
import { siteSecret, siteToken, unsignedToken, webChat } from './support/calls.js'

const hour = 3_600_000
const signed = { siteSecret }
const message = (text: string) => ({ clientId: crypto.randomUUID(), text })

test('an anonymous visitor gets a thread of their own and keeps it with the earlier token', async (t) => {
  const chat = await webChat({ greeting: 'Hello', title: 'Shop' })
  const first = await chat.session()
  t.match(first, { resumed: false, signed: false, title: 'Shop', greeting: 'Hello', ask: ['name', 'email'] })
  t.match(first['thread'], /^[\w-]{22}$/, '128 bits')
  await chat.host.advance(24 * hour)
  const again = await chat.session({ token: first['token'] })
  t.equal(again['thread'], first['thread'])
  t.equal(again['resumed'], true)
  t.ok(again['expiresAt'] > first['expiresAt'], 'a visit renews the expiry')
  t.not((await chat.session())['thread'], first['thread'], 'somebody else is somebody else')
})

test('a visitor token is refused when any of its characters was changed', async (t) => {
  const chat = await webChat()
  const { token } = await chat.session()
  for (let at = 0; at < token.length; at += 1) {
    const other = token[at] === 'A' ? 'B' : 'A'
    const forged = token.slice(0, at) + other + token.slice(at + 1)
    const answer = await chat.get('thread', {}, forged)
    // The last character of a base64url MAC holds bits that mean nothing: the same MAC may be spelt in two ways.
    if (at === token.length - 1 && answer.status === 200) continue
    t.equal(answer.body['code'], 'token_invalid', `character ${at}`)
  }
})

test('a visitor token of another channel, of another shape, or none at all opens nothing', async (t) => {
  const chat = await webChat()
  const other = await webChat({}, 'second-shop')
  const { token } = await other.session()
  t.match(await chat.get('thread', {}, token), { status: 401, body: { code: 'token_invalid' } })
  t.match(await chat.get('thread', {}), { status: 401, body: { code: 'token_missing' } })
  for (const wrong of ['x', 'v1....', 'v1.a.b.c.d', `${token}.x`, `v2${String(token).slice(2)}`, 'é'.repeat(5000)]) {
    t.match(await chat.get('thread', {}, wrong), { status: 401, body: { code: 'token_invalid' } }, wrong.slice(0, 20))
  }
})

test('an expired visitor token is told apart and yields a new visitor, never the old thread', async (t) => {
  const chat = await webChat({ visitorDays: 1 })
  const first = await chat.session()
  await chat.host.advance(25 * hour)
  t.match(await chat.get('thread', {}, first['token']), { status: 401, body: { code: 'token_expired' } })
  t.match(await chat.post('messages', message('late'), first['token']), { status: 401 })
  const next = await chat.session({ token: first['token'] })
  t.not(next['thread'], first['thread'])
  t.equal(next['resumed'], false)
})

test('a forged earlier token starts a new visitor and says nothing about the thread it names', async (t) => {
  const chat = await webChat()
  const { token, thread } = await chat.session()
  const next = await chat.session({ token: `${String(token).slice(0, -3)}xyz` })
  t.not(next['thread'], thread)
  t.equal(next['resumed'], false)
})

test('a site token makes account, e-mail and phone verified and gives one thread on every browser', async (t) => {
  const chat = await webChat(signed)
  const claims = { name: 'Grace', email: 'grace@mail.test', phone: '+4930123456' }
  const one = await chat.session({ site: await siteToken(claims) })
  const two = await chat.session({ site: await siteToken(claims) })
  t.match(one, { signed: true, name: 'Grace', ask: [] })
  t.equal(one['thread'], two['thread'])
  t.match(one['thread'], /^site:[\w-]{43}$/)
  await chat.post('messages', message('hello'), one['token'])
  t.match(chat.accepted[0], {
    sender: {
      id: one['thread'],
      name: 'Grace',
      identifiers: [
        { kind: 'account', value: 'customer-7', assurance: 'verified' },
        { kind: 'email', value: 'grace@mail.test', assurance: 'verified' },
        { kind: 'phone', value: '+4930123456', assurance: 'verified' },
      ],
    },
  })
})

test('an address the site itself has not verified is not taken over', async (t) => {
  const chat = await webChat(signed)
  const claims = {
    email: 'grace@mail.test',
    email_verified: false,
    phone_number: '+49301',
    phone_number_verified: false,
  }
  const { token } = await chat.session({ site: await siteToken(claims) })
  await chat.post('messages', message('hello'), token)
  const [event] = chat.accepted
  t.same(event?.type === 'message' ? event.sender.identifiers : null, [
    { kind: 'account', value: 'customer-7', assurance: 'verified' },
  ])
})

test('site tokens with a wrong secret, audience, algorithm or time, or without exp, sub or aud, are refused', async (t) => {
  const chat = await webChat(signed)
  const cases: Record<string, readonly [string, string]> = {
    'another secret': [await siteToken({}, 'another-secret-that-is-also-32-characters'), 'site_token_invalid'],
    'another audience': [await siteToken({ aud: 'second-shop' }), 'site_token_invalid'],
    'no audience': [await siteToken({ aud: null }), 'site_token_invalid'],
    'no expiry': [await siteToken({ exp: null }), 'site_token_invalid'],
    'no subject': [await siteToken({ sub: null }), 'site_token_invalid'],
    'an empty subject': [await siteToken({ sub: '' }), 'site_token_invalid'],
    'a subject with a line break': [await siteToken({ sub: 'a\nb' }), 'site_token_invalid'],
    'not yet valid': [await siteToken({ nbf: testEpoch / 1000 + 60 }), 'site_token_invalid'],
    'algorithm none': [unsignedToken(), 'site_token_invalid'],
    'no token at all': ['not.a.token', 'site_token_invalid'],
    'a huge one': [`${await siteToken()}${'x'.repeat(9000)}`, 'site_token_invalid'],
    expired: [await siteToken({ exp: testEpoch / 1000 - 11 }), 'site_token_expired'],
    'expired and forged': [
      await siteToken({ exp: 1 }, 'another-secret-that-is-also-32-characters'),
      'site_token_invalid',
    ],
  }
  for (const [name, [site, code]] of Object.entries(cases)) {
    t.match(await chat.post('session', { site }), { status: 401, body: { code } }, name)
  }
  const within = await siteToken({ exp: testEpoch / 1000 - 5 })
  t.match(await chat.post('session', { site: within }), { status: 200 }, 'clocks may differ by some seconds')
})

test('the previous secret is accepted while rotating, and another audience can be configured', async (t) => {
  const chat = await webChat({
    siteSecret: 'the-new-secret-of-the-shop-with-32-chars',
    previousSiteSecret: siteSecret,
    audience: 'chat',
  })
  t.match(await chat.post('session', { site: await siteToken({ aud: 'chat' }) }), { status: 200 })
  t.match(await chat.post('session', { site: await siteToken({ aud: 'shop' }) }), { status: 401 })
})

test('without a secret a site token is an error, never silently an anonymous session', async (t) => {
  const chat = await webChat()
  t.match(await chat.post('session', { site: await siteToken() }), {
    status: 400,
    body: { code: 'site_token_unsupported' },
  })
})

test('a channel for signed visitors only turns the others away', async (t) => {
  const chat = await webChat({ ...signed, requireSigned: true })
  t.match(await chat.post('session', {}), { status: 401, body: { code: 'site_token_required' } })
  t.match(await chat.post('session', { site: await siteToken() }), { status: 200 })
})

test('a visitor who signs in moves to the signed thread; the anonymous thread stays with its own token', async (t) => {
  const chat = await webChat(signed)
  const anonymous = await chat.session()
  chat.host.threads.say(anonymous['thread'], { parts: [{ type: 'text', text: 'for the browser' }] })
  const account = await chat.session({ token: anonymous['token'], site: await siteToken() })
  t.not(account['thread'], anonymous['thread'])
  chat.host.threads.say(account['thread'], { parts: [{ type: 'text', text: 'for the account' }] })
  const texts = async (token: string) =>
    (await chat.get('thread', {}, token)).body['messages'].map((seen: any) => seen.parts[0].text)
  t.same(await texts(account['token']), ['for the account'])
  t.same(await texts(anonymous['token']), ['for the browser'])
})

test('a signed session can be resumed but not prolonged without the site', async (t) => {
  const chat = await webChat({ ...signed, signedHours: 1 })
  const first = await chat.session({ site: await siteToken() })
  await chat.host.advance(hour / 2)
  const again = await chat.session({ token: first['token'] })
  t.match(again, { signed: true, thread: first['thread'], expiresAt: first['expiresAt'] })
  await chat.host.advance(hour / 2 + 1000)
  const later = await chat.session({ token: again['token'] })
  t.equal(later['signed'], false)
  t.not(later['thread'], first['thread'])
})

test('two accounts on one shared browser share no thread and no identifier', async (t) => {
  const chat = await webChat(signed)
  const browser = await chat.session()
  const first = await chat.session({ token: browser['token'], site: await siteToken({ sub: 'one' }) })
  const second = await chat.session({ token: first['token'], site: await siteToken({ sub: 'two' }) })
  t.not(first['thread'], second['thread'])
  await chat.post('messages', message('a'), first['token'])
  await chat.post('messages', message('b'), second['token'])
  const keys = chat.accepted.map((event) =>
    event.type === 'message' ? (event.sender.identifiers ?? []).map((known) => `${known.kind}:${known.value}`) : [],
  )
  t.same(keys, [['account:one'], ['account:two']])
})
