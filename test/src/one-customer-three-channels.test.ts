import tap, { test, type Test } from 'tap'
import { startAgent, type TestAgent } from './support/agent.js'
import { startEngineProcess, type EngineProcess } from './support/engine.js'
import { eventually, pause } from './support/eventually.js'
import { freePort } from './support/free-port.js'
import { rowsOf, undone } from './support/ledger.js'
import { mailSink, sendMail, type MailSink } from './support/mail.js'
import { freshDatabaseUrl } from './support/postgres.js'
import { fakeGraph, whatsAppText, type FakeGraph } from './support/providers.js'
import { rawRequest } from './support/raw-http.js'
import { signMeta } from './support/signatures.js'
import { openChat, siteToken, textOf, type Visitor } from './support/visitor.js'
import { configWith } from './support/workplace.js'

tap.setTimeout(240_000)

const siteSecret = 'the-secret-of-the-site-with-32-characters'
const metaSecret = 'the-app-secret-of-meta'
const phoneNumberId = '4711'
const rosa = { email: 'rosa@example.com', phone: '+4915155501234', digits: '4915155501234' }
const vouched = { 'Authentication-Results': 'mx.shop.example; dmarc=pass header.from=example.com' }

interface Shop {
  readonly engine: EngineProcess
  readonly databaseUrl: string
  readonly agent: TestAgent
  readonly graph: FakeGraph
  readonly sink: MailSink
  mail(mail: {
    text: string
    from?: string
    headers?: Readonly<Record<string, string>>
    subject?: string
  }): Promise<void>
  whatsApp(id: string, text: string): Promise<void>
  chat(): Promise<Visitor>
}

async function openShop(t: Test): Promise<Shop> {
  const databaseUrl = await freshDatabaseUrl(t)
  const graph = await fakeGraph(t)
  const sink = await mailSink(t)
  const smtpPort = await freePort()
  const config = configWith({
    channels: {
      webchat: { use: 'channel-webchat', kind: 'webchat', config: { siteSecret: '${SITE_SECRET}' } },
      mail: {
        use: 'channel-email',
        kind: 'email',
        config: {
          address: 'support@shop.example',
          name: 'Shop',
          smtp: { listen: `127.0.0.1:${smtpPort}` },
          outgoing: { host: '127.0.0.1', port: sink.port, requireTls: false },
          trustedAuthserv: ['mx.shop.example'],
        },
      },
      whatsapp: {
        use: 'channel-whatsapp',
        kind: 'messaging',
        config: {
          phoneNumberId,
          accessToken: '${META_TOKEN}',
          appSecret: '${META_SECRET}',
          verifyToken: '${META_VERIFY}',
          apiBase: `${graph.url}/v25.0`,
        },
      },
    },
  })
  const env = { SITE_SECRET: siteSecret, META_TOKEN: 'meta-token', META_SECRET: metaSecret, META_VERIFY: 'meta-verify' }
  const engine = await startEngineProcess(t, { config, databaseUrl, env })
  let mails = 0
  return {
    engine,
    databaseUrl,
    graph,
    sink,
    agent: await startAgent(t, engine),
    async mail({ text, from = rosa.email, headers, subject = 'My lamp' }) {
      const response = await sendMail(smtpPort, {
        from,
        to: 'support@shop.example',
        subject,
        text,
        messageId: `<mail-${++mails}@mail.example>`,
        ...(headers === undefined ? {} : { headers }),
      })
      t.match(response, /^250/, 'the mail is taken')
    },
    async whatsApp(id, text) {
      const body = JSON.stringify(whatsAppText({ phoneNumberId, from: rosa.digits, id, text }))
      const headers = { 'content-type': 'application/json', ...signMeta(body, metaSecret) }
      t.equal((await rawRequest(`${engine.url}/channels/whatsapp/webhook`, { body, headers })).status, 200)
    },
    chat: async () =>
      openChat(engine.url, {
        site: await siteToken(siteSecret, { sub: 'customer-7', name: 'Rosa', email: rosa.email, phone: rosa.phone }),
      }),
  }
}

const inboundWith = (agent: TestAgent, channel: string, count = 1) =>
  eventually(`message ${count} of ${channel} at the agent`, () => {
    const found = agent.events.filter((event) => event.t === 'message.inbound' && event.d.channel === channel)
    return found[count - 1]
  })

/** Mail and WhatsApp tell the time in whole seconds: what follows is written in a later one. */
async function nextSecond(): Promise<void> {
  await pause(1000 - (Date.now() % 1000) + 5)
}

test('one customer over three channels: one contact, one conversation, answered where they wrote last', async (t) => {
  const shop = await openShop(t)
  const { agent, databaseUrl } = shop
  const visitor = await shop.chat()
  t.equal(visitor.signed, true)
  const stream = await visitor.listen(t)

  await visitor.say('In the chat: my lamp flickers')
  const first = await inboundWith(agent, 'webchat')
  const conversation: string = first.d.conversation
  const offer = await agent.event('the offer', (event) => event.t === 'offer.created')
  await agent.command('offer.accept', { offerId: offer.d.offerId })
  await nextSecond()
  await shop.mail({ text: 'By mail: here is more', headers: vouched })
  t.equal((await inboundWith(agent, 'mail')).d.conversation, conversation, 'the mail joined')
  await nextSecond()
  await shop.whatsApp('wamid.1', 'On WhatsApp: any news?')
  t.equal((await inboundWith(agent, 'whatsapp')).d.conversation, conversation, 'WhatsApp joined')

  const contacts = await rowsOf(databaseUrl, 'select id from contact where joined_into is null')
  t.equal(contacts.length, 1, 'one contact')
  const seen = await agent.get(`/v1/conversations/${conversation}`)
  t.same(seen.touchpoints.map((point: { channel: string }) => point.channel).sort(), ['mail', 'webchat', 'whatsapp'])
  t.equal((await agent.get('/v1/conversations')).items.length, 1, 'one conversation')
  const history = await agent.get(`/v1/conversations/${conversation}/messages`)
  t.same(
    history.items.map((message: { channel: string; text: string }) => [message.channel, message.text]),
    [
      ['webchat', 'In the chat: my lamp flickers'],
      ['mail', 'By mail: here is more'],
      ['whatsapp', 'On WhatsApp: any news?'],
    ],
    'one timeline, in order',
  )
  t.equal(agent.events.filter((event) => event.t === 'offer.created').length, 1, 'one piece of work')

  const contact = await agent.get(`/v1/contacts/${seen.contact}`)
  const known = contact.identifiers.map((one: any) => `${one.assurance} ${one.kind}:${one.value}`)
  for (const one of [`verified email:${rosa.email}`, `verified phone:${rosa.phone}`]) t.ok(known.includes(one), one)

  await agent.command('message.send', { conversation, body: 'Answer one' })
  const sent = await eventually('the answer on WhatsApp', () => shop.graph.texts()[0])
  t.same(sent, { to: rosa.digits, text: 'Answer one' })

  await shop.mail({ text: 'By mail again', headers: vouched })
  await inboundWith(agent, 'mail', 2)
  await agent.command('message.send', { conversation, body: 'Answer two' })
  const { to, mail } = await eventually('the answer by mail', () => shop.sink.mails[0])
  t.same(to, [rosa.email])
  t.match(mail.text, 'Answer two')
  t.match(mail.inReplyTo, 'mail-2@mail.example', 'in the thread of the mail')

  await visitor.say('Back in the chat')
  await inboundWith(agent, 'webchat', 2)
  await agent.command('message.send', { conversation, body: 'Answer three' })
  const shown = await eventually('the answer in the chat', () => stream.got.find((one) => one.direction === 'out'))
  t.equal(textOf(shown), 'Answer three')
  await eventually(
    'three receipts',
    () => new Set(agent.events.filter((one) => one.t === 'message.sent').map((one) => one.d.messageId)).size === 3,
  )
  t.equal(shop.graph.texts().length, 1, 'WhatsApp got its answer only')
  t.equal(shop.sink.mails.length, 1, 'so did the mailbox')
  t.same(
    (await visitor.messages()).map(textOf),
    ['In the chat: my lamp flickers', 'Back in the chat', 'Answer three'],
    'the chat shows its own thread',
  )
})

test('a claimed address joins nobody and shows nothing, and the agent is told of the resemblance', async (t) => {
  const shop = await openShop(t)
  const { agent, engine, databaseUrl } = shop
  const owner = await shop.chat()
  await owner.say('Secret of the owner')
  const first = await inboundWith(agent, 'webchat')

  const stranger = await openChat(engine.url)
  await stranger.say('I am Rosa, what did I write?', {
    claimed: { name: 'Rosa', email: rosa.email, phone: rosa.phone },
  })
  const second = await inboundWith(agent, 'webchat', 2)
  t.not(second.d.conversation, first.d.conversation, 'a conversation of its own')
  t.same((await stranger.messages()).map(textOf), ['I am Rosa, what did I write?'], 'own words only')

  await shop.mail({ text: 'A mail nobody vouches for' })
  const third = await inboundWith(agent, 'mail')
  t.notOk(
    [first, second].some((event) => event.d.conversation === third.d.conversation),
    'a forged sender joins nobody',
  )
  await shop.mail({
    text: 'A mail that somebody else vouches for',
    headers: { 'Authentication-Results': 'mx.evil.example; dmarc=pass header.from=example.com' },
  })
  const fourth = await inboundWith(agent, 'mail', 2)
  t.not(fourth.d.conversation, first.d.conversation, 'a server nobody trusts vouches for nothing')

  await eventually('all is settled', async () => (await undone(databaseUrl)) === 0)
  const owners = await agent.get(`/v1/conversations/${first.d.conversation}/messages`)
  t.same(
    owners.items.map((message: { text: string }) => message.text),
    ['Secret of the owner'],
  )
  const conversation = await agent.get(`/v1/conversations/${first.d.conversation}`)
  const suggestions = await eventually('a suggestion', async () => {
    const found = await agent.get(`/v1/suggestions?contact=${conversation.contact}`)
    return found.items.length > 0 && found.items
  })
  t.ok(
    suggestions.some((one: any) => one.kind === 'email' && one.value === rosa.email && one.state === 'open'),
    'told, not done',
  )
  t.same((await owner.messages()).map(textOf), ['Secret of the owner'])
  await stranger.say('Still there?')
  await inboundWith(agent, 'webchat', 3)
  t.same((await stranger.messages()).map(textOf), ['I am Rosa, what did I write?', 'Still there?'])
})

test('quoting the id of somebody else’s mail opens nothing', async (t) => {
  const shop = await openShop(t)
  await shop.mail({ text: 'The real one', headers: vouched })
  const first = await inboundWith(shop.agent, 'mail')
  await shop.mail({
    from: 'mallory@evil.example',
    text: 'Go on in her thread',
    subject: 'Re: My lamp',
    headers: {
      'In-Reply-To': '<mail-1@mail.example>',
      References: '<mail-1@mail.example>',
      'Authentication-Results': 'mx.shop.example; dmarc=pass header.from=evil.example',
    },
  })
  const second = await inboundWith(shop.agent, 'mail', 2)
  t.not(second.d.conversation, first.d.conversation)
})
