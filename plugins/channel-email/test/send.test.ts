import { test } from 'tap'
import type { OutboundPart } from '@throughline/plugin-sdk'
import { outboundPart } from '@throughline/plugin-sdk/testing'
import plugin from '../src/index.js'
import { parseMail, header } from '../src/parse-mail.js'
import { smtpError } from '../src/smtp-errors.js'
import { instance, own, read, receivedAt } from './support/mail.js'
import { type OwnAddress, ownAddress } from '../src/addresses.js'
import { mailToEvent, type ReadingContext } from '../src/to-events.js'
import { SmtpSink } from './support/smtp-sink.js'

type Test = { teardown(run: () => unknown): void }
const reading = (signer: ReadingContext['signer']): ReadingContext => ({
  instance: 'email',
  own,
  trustedAuthserv: [],
  signer,
  receivedAt,
})
const control = { signal: new AbortController().signal, attempt: 1 }

async function sending(
  t: Test,
  settings: Readonly<Record<string, unknown>> = {},
  outgoing: Readonly<Record<string, unknown>> = {},
) {
  const sink = new SmtpSink()
  const port = await sink.listen()
  t.teardown(() => sink.close())
  const { host, channel } = await instance({
    name: 'Example Support',
    outgoing: { host: '127.0.0.1', port, requireTls: false, ...outgoing },
    ...settings,
  })
  await channel.start?.()
  t.teardown(() => channel.stop?.())
  const part = (changes: Partial<OutboundPart> = {}, text = 'Hello Ann') =>
    outboundPart({ type: 'text', text }, { thread: { id: 'ann@example.org' }, ...changes })
  const send = (changes: Partial<OutboundPart> = {}, text?: string) => channel.send(part(changes, text), control)
  const last = async () => {
    const sunk = sink.mails.at(-1)
    if (sunk === undefined) throw new Error('no mail came')
    return { ...sunk, mail: await parseMail(sunk.raw) }
  }
  return { sink, port, host, channel, part, send, last }
}

test('an answer goes to exactly the customer, in the thread, with a stable Message-ID', async (t) => {
  const { sink, send, last } = await sending(t)
  const sent = await send({
    id: 'part-1',
    subject: 'Question',
    replyTo: 'm2@example.org',
    references: ['m1@example.org', 'm2@example.org', 'bad\r\nBcc: x', '<<>>'],
    replyToken: 'tok-1',
  })
  t.strictSame(sent, { externalId: 'part-1.tl@example.com' })
  const { mail, from, to } = await last()
  t.strictSame([from, to], ['support@example.com', ['ann@example.org']])
  t.equal(sink.mails.length, 1)
  t.equal(header(mail, 'message-id'), '<part-1.tl@example.com>')
  t.equal(header(mail, 'in-reply-to'), '<m2@example.org>')
  t.equal(header(mail, 'references').replace(/\s+/g, ' '), '<m1@example.org> <m2@example.org>')
  t.match(header(mail, 'from'), /Example Support <support@example\.com>/)
  t.match(header(mail, 'reply-to'), /support\+tok-1@example\.com/)
  t.equal(mail.subject, 'Re: Question')
  t.equal(mail.text?.trim(), 'Hello Ann')
  t.match(mail.html, /<p>Hello Ann<\/p>/)
  t.equal(header(mail, 'auto-submitted'), '', 'a person wrote it')
  t.equal(mail.date, receivedAt)
})

test('a retried part carries the same Message-ID', async (t) => {
  const { send, sink } = await sending(t)
  const one = await send({ id: 'part-7' })
  const two = await send({ id: 'part-7' })
  t.equal(one.externalId, two.externalId)
  const ids = await Promise.all(sink.mails.map(async ({ raw }) => header(await parseMail(raw), 'message-id')))
  t.equal(new Set(ids).size, 1)
})

test('our own answer that comes back is recognised, also with a rewritten Message-ID', async (t) => {
  const { host, send, last } = await sending(t)
  await send({})
  const { raw } = await last()
  const rewritten = Buffer.from(
    raw
      .toString('latin1')
      .replace(/^Message-ID: .*$/m, 'Message-ID: <0100abc@relay.example>')
      .replace(/^From: .*$/m, 'From: other@example.com'),
    'latin1',
  )
  const context = reading(host.context.signer)
  t.match(mailToEvent(await parseMail(rewritten), rewritten, { from: null, to: [] }, context).event, {
    type: 'unknown',
    note: 'own message',
  })
  t.equal((await read(rewritten)).event.type, 'message', 'another engine does not take it for its own')
})

test('automatic answers say so and are limited per address and hour', async (t) => {
  const { host, send, last, sink } = await sending(t, { autoReplyLimit: 2 })
  const system = { kind: 'system', name: null } as const
  await send({ author: system })
  const { mail } = await last()
  t.equal(header(mail, 'auto-submitted'), 'auto-replied')
  t.equal(header(mail, 'x-auto-response-suppress'), 'All')
  const { raw } = await last()
  const other = {
    ...reading(host.context.signer),
    instance: 'other',
    own: ownAddress('help@example.net') as OwnAddress,
  }
  t.match(
    mailToEvent(await parseMail(raw), raw, { from: 'support@example.com', to: [] }, other).event,
    {
      type: 'message',
      automatic: true,
    },
    'another engine sees it, and will not answer it automatically',
  )
  await send({ author: system, idempotencyKey: 'same' })
  await send({ author: system, idempotencyKey: 'same' })
  t.equal(sink.mails.length, 3, 'a second try of one part is not counted again')
  await t.rejects(send({ author: system }), { code: 'permanent', userMessage: /too many automatic answers/ })
  await send({ author: system, thread: { id: 'bob@example.org' } })
  await send({ author: { kind: 'agent', name: 'Ada' } })
  t.equal(sink.mails.length, 5, 'other addresses and people are not limited')
  await host.advance(3_600_000)
  await send({ author: system })
  t.equal(sink.mails.length, 6, 'an hour later it may answer again')
  t.equal((await host.state.list('auto-reply:')).length, 1, 'old counters are gone')
})

test('CR, LF and NUL never reach a header', async (t) => {
  const { sink, send, last } = await sending(t)
  for (const subject of ['Hi\r\nBcc: victim@bank.example', 'Hi\nX: y', 'Hi\u0000'])
    await t.rejects(send({ subject }), { code: 'permanent' }, JSON.stringify(subject))
  for (const id of [
    'ann@example.org\r\nRCPT TO:<victim@bank.example>',
    'ann@example.org, victim@bank.example',
    '"a@b"@example.org',
    '<ann@example.org>',
    'ann',
    'support@example.com',
  ])
    await t.rejects(send({ thread: { id } }), { code: 'recipient' }, JSON.stringify(id))
  t.equal(sink.mails.length, 0)
  await send({ replyTo: 'x\r\nBcc: y@z', replyToken: 'a\r\nb', references: ['c\nd@e'] })
  const { mail, to } = await last()
  t.strictSame(to, ['ann@example.org'])
  for (const name of ['bcc', 'in-reply-to', 'references', 'reply-to']) t.equal(header(mail, name), '', name)
  const { channel } = await instance({
    name: 'A\r\nBcc: x@y.example',
    outgoing: { host: '127.0.0.1', port: 9, requireTls: false },
  })
  await t.rejects(
    channel.send(outboundPart({ type: 'text', text: 'x' }, { thread: { id: 'ann@example.org' } }), control),
    { code: 'permanent' },
  )
})

test('the subject gets one prefix in any language, and one if there is none', async (t) => {
  const { send, last } = await sending(t)
  const subject = async (given: string | undefined) => {
    await send(given === undefined ? {} : { subject: given })
    return (await last()).mail.subject
  }
  t.equal(await subject('Question'), 'Re: Question')
  t.equal(await subject('Re: Question'), 'Re: Question')
  t.equal(await subject('AW: Frage'), 'AW: Frage')
  t.equal(await subject('RE[2]: Question'), 'RE[2]: Question')
  t.equal(await subject('Order: late'), 'Re: Order: late')
  t.equal(await subject('Größe 日本 👋'), 'Re: Größe 日本 👋')
  t.equal(await subject(undefined), 'Message from Example Support')
})

test('markdown becomes safe HTML, and HTML in a text stays text', async (t) => {
  const { channel, part, last } = await sending(t)
  const text =
    '**Bold** and *soft* `code` [site](https://example.org/?a=1&b=2) [bad](javascript:alert(1))\n\n- one\n- two\n\n<script>alert(1)</script> https://example.com/x.'
  await channel.send({ ...part(), text, content: { type: 'text', text, format: 'markdown' } }, control)
  const { mail } = await last()
  t.match(
    mail.html,
    '<strong>Bold</strong> and <em>soft</em> <code>code</code> <a href="https://example.org/?a=1&amp;b=2">site</a>',
  )
  t.match(mail.html, '<ul><li>one</li><li>two</li></ul>')
  t.match(mail.html, '&lt;script&gt;')
  t.match(mail.html, '<a href="https://example.com/x">https://example.com/x</a>.')
  t.notMatch(mail.html, /<script|href="javascript/)
  t.equal(mail.text?.trim(), text)
})

test('an attachment is sent with its bytes, a missing one fails the message', async (t) => {
  const { host, channel, part, last } = await sending(t)
  const { key } = await host.files.put(Buffer.from([1, 2, 0xff]), { mime: 'image/png' })
  const media = { file: key, mime: 'image/png', name: '../pic\r\n.png' }
  await channel.send({ ...part(), text: 'See', content: { type: 'image', media, caption: 'See' } }, control)
  const { mail } = await last()
  t.match(mail.attachments, [{ mime: 'image/png', name: '.._pic .png' }])
  t.strictSame([...(mail.attachments[0]?.bytes ?? [])], [1, 2, 0xff])
  t.equal(mail.text?.trim(), 'See')
  await t.rejects(channel.send({ ...part(), content: { type: 'file', media: { file: 'gone' } } }, control), {
    code: 'permanent',
  })
  await channel.send(
    { ...part(), text: 'See', content: { type: 'file', media: { url: 'https://example.com/f' } } },
    control,
  )
  t.match((await last()).mail.text, /https:\/\/example\.com\/f/)
})

test('what the server refuses becomes the right error', async (t) => {
  const { sink, send } = await sending(t)
  const cases: readonly (readonly [typeof sink.reply, string])[] = [
    [{ at: 'rcpt', code: 550, text: '5.1.1 No such user' }, 'recipient'],
    [{ at: 'rcpt', code: 550, text: 'Mailbox unavailable' }, 'recipient'],
    [{ at: 'rcpt', code: 553, text: '5.1.3 Bad address' }, 'recipient'],
    [{ at: 'rcpt', code: 550, text: '5.7.1 Blocked' }, 'permanent'],
    [{ at: 'rcpt', code: 450, text: '4.2.0 Greylisted' }, 'retryable'],
    [{ at: 'mail', code: 452, text: '4.3.1 Disk full' }, 'retryable'],
    [{ at: 'data', code: 451, text: '4.3.0 Later' }, 'retryable'],
    [{ at: 'data', code: 552, text: '5.3.4 Too big' }, 'permanent'],
    [{ at: 'data', code: 554, text: '5.7.1 Spam' }, 'permanent'],
    [{ at: 'mail', code: 530, text: '5.7.0 Login first' }, 'auth'],
  ]
  for (const [reply, code] of cases) {
    sink.reply = reply
    await t.rejects(send(), { code }, `${reply?.at} ${reply?.code} ${reply?.text}`)
  }
  sink.reply = null
  t.match(await send(), { externalId: String }, 'and it works again')
})

test('a server that is too busy pauses the channel', async (t) => {
  const { sink, send } = await sending(t)
  for (const at of ['connect', 'mail'] as const) {
    sink.reply = { at, code: 421, text: '4.7.0 Too busy' }
    await t.rejects(send(), { code: 'rate_limited', retryAfterMs: 60_000 }, at)
  }
})

test('a refused login is bad credentials, and the password shows nowhere', async (t) => {
  const { sink, send, host } = await sending(t, {}, { user: 'me', password: 'very-secret-1' })
  await send()
  t.equal(sink.mails[0]?.user, 'me')
  const bad = await sending(t, {}, { user: 'me', password: 'very-secret-2' })
  bad.sink.reply = { at: 'auth', code: 535, text: '5.7.8 Wrong' }
  await t.rejects(bad.send(), { code: 'auth', message: /outgoing\.user/ })
  t.match(await plugin.check?.(bad.host.context), { ok: false, detail: /refused the login/ })
  t.match(await plugin.check?.(host.context), { ok: true, account: 'support@example.com' })
  t.notMatch(JSON.stringify([host.logs, bad.host.logs]), /very-secret/)
})

test('silence after the message was handed over is uncertain, before it is not', async (t) => {
  const { sink, send, channel, part } = await sending(t)
  sink.afterData = 'cut'
  await t.rejects(send(), { code: 'uncertain' })
  sink.afterData = 'hang'
  const controller = new AbortController()
  const got = sink.nextMail()
  const hanging = channel.send(part(), { signal: controller.signal, attempt: 1 })
  await got
  controller.abort(new Error('time is up'))
  await t.rejects(hanging, { code: 'uncertain' })
  await t.rejects(channel.send(part(), { signal: AbortSignal.abort(), attempt: 1 }), { code: 'retryable' })
  const closed = await instance({ outgoing: { host: '127.0.0.1', port: 1, requireTls: false } })
  await t.rejects(closed.channel.send(part(), control), { code: 'retryable' }, 'nobody listens')
  await t.rejects(
    Promise.resolve(plugin.check?.(closed.host.context)),
    { code: 'retryable' },
    'which says nothing about the login',
  )
})

test('a server without TLS is refused when TLS is required', async (t) => {
  const { sink, send } = await sending(t, {}, { requireTls: true })
  await t.rejects(send(), { code: 'config', message: /TLS/ })
  t.equal(sink.mails.length, 0)
})

test('without an outgoing server answers stay queued, and the operator is told what to set', async (t) => {
  const { channel } = await instance({})
  await t.rejects(
    channel.send(outboundPart({ type: 'text', text: 'x' }, { thread: { id: 'ann@example.org' } }), control),
    { code: 'config', message: /set `outgoing`/ },
  )
})

test('a customer who has not written yet can be written to by their address', async (t) => {
  const { channel } = await instance({})
  t.strictSame(await channel.open?.({ id: 'Ann@Example.org' }, control), { id: 'ann@example.org' })
  t.strictSame(await channel.open?.({ id: 'x', identifiers: [{ kind: 'email', value: 'bob@example.org' }] }, control), {
    id: 'bob@example.org',
  })
  await t.rejects(Promise.resolve(channel.open?.({ id: '+4912345' }, control)), { code: 'recipient' })
})

test('certificates nobody trusts are a matter of the settings', (t) => {
  t.equal(smtpError({ code: 'ESOCKET', originalCode: 'CERT_HAS_EXPIRED' }, false).code, 'config')
  t.equal(smtpError({ code: 'ESOCKET', cause: { code: 'SELF_SIGNED_CERT_IN_CHAIN' } }, false).code, 'config')
  t.equal(smtpError({ code: 'EDNS' }, false).code, 'retryable')
  t.equal(smtpError({ code: 'EAUTH', responseCode: 454 }, false).code, 'retryable')
  t.equal(smtpError('odd', true).code, 'uncertain')
  t.end()
})
