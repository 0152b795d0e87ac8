import tap, { test } from 'tap'
import { startAgent, tokenFor } from './support/agent.js'
import { throughline } from './support/cli.js'
import { startEngineProcess } from './support/engine.js'
import { eventually } from './support/eventually.js'
import { freshDatabaseUrl } from './support/postgres.js'
import { openChat, textOf } from './support/visitor.js'

tap.setTimeout(180_000)

test('with the delivered configuration a visitor writes in the web chat and an agent answers', async (t) => {
  const databaseUrl = await freshDatabaseUrl(t)
  const engine = await startEngineProcess(t, { databaseUrl, env: { LOG_LEVEL: 'debug' } })
  const announced = /^ready +http:\/\/\S+:(\d+)$/m.exec(engine.output())
  t.equal(Number(announced?.[1]), engine.port, 'the line `ready` says where')

  const urls = [...engine.output().matchAll(/^ {2}\S+ +(http:\S+)$/gm)].map((match) => String(match[1]))
  t.ok(
    urls.some((url) => url.endsWith('/chat')) && urls.some((url) => url.endsWith('/v1/openapi.json')),
    urls.join(' '),
  )
  for (const url of urls) {
    const response = await fetch(url, { signal: AbortSignal.timeout(10_000) })
    t.equal(response.status, 200, url)
    await response.arrayBuffer()
  }
  for (const path of ['/health/live', '/health/ready']) {
    t.equal((await fetch(`${engine.url}${path}`)).status, 200, path)
  }

  const visitor = await openChat(engine.url)
  t.equal(visitor.signed, false)
  const stream = await visitor.listen(t)

  const agent = await startAgent(t, engine)
  await t.rejects(tokenFor(engine), { code: 'TL_AUTH_UNAUTHENTICATED' }, 'the one-time sign-in works once')

  await visitor.say('Hello, do you ship to Lisbon? canary-77')
  const inbound = await agent.event('the message at the agent', (event) => event.t === 'message.inbound')
  t.equal(inbound.d.channel, 'webchat')
  const offer = await agent.event('the offer', (event) => event.t === 'offer.created')
  t.equal(offer.d.conversation, inbound.d.conversation)
  await agent.command('offer.accept', { offerId: offer.d.offerId })
  await agent.event('the assignment', (event) => event.t === 'work.assigned')
  await agent.command('message.send', { conversation: inbound.d.conversation, body: 'Yes, in **two weeks**.' })

  const answer = await eventually('the answer in the stream of the visitor', () =>
    stream.got.find((message) => message.direction === 'out'),
  )
  t.equal(textOf(answer), 'Yes, in **two weeks**.')
  t.match(answer.author, { kind: 'agent', name: 'Ada' })
  t.same((await visitor.messages()).map(textOf), ['Hello, do you ship to Lisbon? canary-77', 'Yes, in **two weeks**.'])
  await agent.event('the receipt', (event) => event.t === 'message.sent')

  t.notMatch(engine.output(), /canary-77|two weeks/, 'no conversation in the log')
  t.notMatch(engine.output(), agent.token, 'no token in the log')
  t.same(await engine.term(), { code: 0, signal: null })
})

test('a second engine on the same port says so and ends; the first one goes on', async (t) => {
  const engine = await startEngineProcess(t, { databaseUrl: await freshDatabaseUrl(t) })
  const { dir, configFile } = engine.workplace
  const env = { PORT: String(engine.port), DATABASE_URL: await freshDatabaseUrl(t), LOG_LEVEL: 'error' }
  const second = await throughline(['start', '--config', configFile], { cwd: dir, env })
  t.equal(second.code, 1)
  t.match(second.stderr, /cannot listen on \S+: another program uses it.* \(TL_NODE_ADDRESS_UNUSABLE\)/)
  t.equal((await fetch(`${engine.url}/health/ready`)).status, 200)
})

test('nothing is open without a sign-in', async (t) => {
  const engine = await startEngineProcess(t, { databaseUrl: await freshDatabaseUrl(t) })
  const paths = ['/v1/conversations', '/v1/contacts', '/v1/events', '/v1/admin/plugins', '/v1/agent/snapshot']
  for (const path of paths) {
    const response = await fetch(`${engine.url}${path}`)
    t.equal(response.status, 401, path)
    t.match(await response.json(), { code: 'TL_AUTH_UNAUTHENTICATED' }, path)
  }
  for (const bearer of ['x', 'tls_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', engine.signInCode]) {
    const response = await fetch(`${engine.url}/v1/conversations`, { headers: { authorization: `Bearer ${bearer}` } })
    t.equal(response.status, 401, 'a token that was never given out')
  }
})

test('another conversation is none of a visitor’s business', async (t) => {
  const engine = await startEngineProcess(t, { databaseUrl: await freshDatabaseUrl(t) })
  const one = await openChat(engine.url)
  const other = await openChat(engine.url)
  await one.say('only mine')
  await eventually('the message in its own thread', async () => (await one.messages()).length === 1)
  t.same(await other.messages(), [])
})
