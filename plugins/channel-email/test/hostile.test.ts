import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'tap'
import { eventIssues } from '@throughline/plugin-sdk/testing'
import { normalizeAddress } from '../src/addresses.js'
import { storeMail } from '../src/intake.js'
import { instance, mail, own, plain, read, readMessage } from './support/mail.js'
import { sharedFixtures } from './support/shared.js'

/** Takes a raw mail in as the listener does: there is always exactly one well-formed event. */
async function intake(raw: Buffer) {
  const { host } = await instance({})
  const result = await storeMail({ context: host.context, own, trustedAuthserv: [] }, raw, {
    from: 'a@b.example',
    to: [],
  })
  const [event] = host.accepted
  if (event === undefined || result.stored !== 1) throw new Error('nothing was stored')
  return { event, issues: eventIssues(event), host }
}

test('37: an empty, doubled or misleading From line is claimed or kept aside', async (t) => {
  t.match(
    (await read(plain({ From: '' }))).event,
    { type: 'message', sender: { id: 'ann@example.org', assurance: 'claimed' } },
    'empty: the envelope',
  )
  t.match((await read(plain({ From: '<>' }), { envelope: { from: '' } })).event, {
    type: 'unknown',
    note: 'mail without a sender',
  })
  t.match((await read(plain({ From: 'ceo@bank.example' }), { envelope: { from: 'eve@evil.example' } })).event, {
    sender: { id: 'ceo@bank.example', assurance: 'claimed' },
  })
})

test('40: a mail of a thousand parts, one nested a hundred deep and one inside itself are taken', async (t) => {
  const parts = Array.from({ length: 1000 }, (_, i) => [
    '--b',
    `Content-Type: application/x-part; name=p${i}`,
    '',
    String(i),
  ]).flat()
  const many = await read(
    mail('From: ann@example.org', 'Content-Type: multipart/mixed; boundary=b', '', ...parts, '--b--'),
  )
  t.equal(many.attachments.length, 100)
  const open = Array.from({ length: 100 }, (_, i) => [
    `Content-Type: multipart/mixed; boundary=b${i}`,
    '',
    `--b${i}`,
  ]).flat()
  const deep = await intake(mail('From: ann@example.org', ...open, 'Content-Type: text/plain', '', 'deep inside'))
  t.match(deep.event, { type: 'message', text: 'deep inside' })
  const deeper = Array.from({ length: 400 }, (_, i) => [
    `Content-Type: multipart/mixed; boundary=b${i}`,
    '',
    `--b${i}`,
  ]).flat()
  t.match((await intake(mail('From: ann@example.org', ...deeper, '', 'x'))).event, {
    type: 'unknown',
    note: 'mail that could not be parsed',
  })
  let nested = mail('Subject: innermost', '', 'x').toString()
  for (let i = 0; i < 60; i++) nested = `Content-Type: message/rfc822\r\n\r\n${nested}`
  t.equal((await intake(Buffer.from(`From: ann@example.org\r\n${nested}`))).event.type, 'message')
})

test('42: a megabyte of header, a folded injection and broken encoded words are taken', async (t) => {
  t.equal((await intake(plain({ 'X-Long': 'a'.repeat(1_000_000) }))).event.type, 'message')
  t.equal((await intake(plain({ Subject: 'a'.repeat(1_000_000) }))).event.type, 'message')
  const folded = await readMessage(plain({ Subject: '=?utf-8?Q?Hi=0D=0ABcc:_victim@bank.example?=' }))
  t.equal(folded.subject, 'Hi Bcc: victim@bank.example', 'no line break survives')
  for (const subject of ['=?', '=?utf-8?B?//?=', '=?utf-8?X?a?=', '=?utf-8?q?=FF=FE?='])
    t.equal((await intake(plain({ Subject: subject }))).issues.length, 0, subject)
})

test('43: address lists that took parsers tens of seconds are read in one pass', async (t) => {
  for (const list of [
    'a'.repeat(1_000_000),
    '<'.repeat(500_000),
    'a@'.repeat(300_000),
    '('.repeat(500_000),
    '"'.repeat(500_001),
    'a:b;'.repeat(100_000),
  ])
    t.equal((await intake(plain({ To: list, Cc: list }))).event.type, 'message')
  t.equal((await intake(plain({ From: 'a'.repeat(1_000_000) }))).issues.length, 0)
})

test('45: active HTML becomes plain text without scripts, styles, trackers or script links', async (t) => {
  const html =
    '<base href="https://evil.example/"><meta http-equiv=refresh content="0;url=https://evil.example">' +
    '<style>@import url(https://evil.example/x)</style><script>alert(1)</script><img src="https://evil.example/pixel.gif">' +
    '<img src="cid:a"><a href="javascript:alert(1)">click</a> <a href="https://good.example/">good</a><p onclick=x()>Hello</p>'
  const message = await readMessage(plain({ 'Content-Type': 'text/html' }, html))
  t.notMatch(message.text, /evil|alert|javascript|cid:|<|@import/)
  t.match(message.text, /click good \[https:\/\/good\.example\/\]/)
  t.match(message.text, /Hello/)
  t.equal(
    (await intake(plain({ 'Content-Type': 'text/html' }, '<div>'.repeat(100_000) + 'x'))).issues.length,
    0,
    'deep nesting',
  )
})

test('46: winmail.dat, calendars and signed mail come as attachments, a cid picture too', async (t) => {
  const raw = mail(
    'From: ann@example.org',
    'Content-Type: multipart/related; boundary=b',
    '',
    '--b',
    'Content-Type: text/html',
    '',
    '<p>See <img src="cid:pic@x"></p>',
    '--b',
    'Content-Type: image/png; name=pic.png',
    'Content-ID: <pic@x>',
    'Content-Disposition: inline',
    'Content-Transfer-Encoding: base64',
    '',
    'iVBORw0KGgo=',
    '--b',
    'Content-Type: application/ms-tnef; name=winmail.dat',
    '',
    'x',
    '--b',
    'Content-Type: text/calendar; method=REQUEST',
    '',
    'BEGIN:VCALENDAR',
    '--b',
    'Content-Type: application/pkcs7-signature; name="../../smime.p7s"',
    'Content-Transfer-Encoding: base64',
    '',
    'AAAA',
    '--b--',
  )
  const { event, host } = await intake(raw)
  const parts = event.type === 'message' ? (event.parts ?? []) : []
  t.strictSame(
    parts.map((part) => part.type),
    ['text', 'image', 'file', 'file', 'file'],
  )
  const picture = parts[1]
  t.match(picture, { media: { mime: 'image/png', name: 'pic.png', size: 8 } })
  const key = picture !== undefined && 'media' in picture ? picture.media.file : undefined
  t.equal((await host.files.get(key ?? ''))?.length, 8, 'its bytes are stored')
})

test('NUL, zero-width and right-to-left characters do not break a message', async (t) => {
  const { event, issues } = await intake(
    plain({ Subject: 'a\u0000b', From: 'A\u0000nn <ann@example.org>' }, 'a\u0000b\u202Ec\u200Bd'),
  )
  t.strictSame(issues, [])
  t.match(event, { type: 'message', text: 'ab\u202Ec\u200Bd' })
})

test('dates from the future or from 1970 become the time of arrival', async (t) => {
  const at = async (date: string | null) => (await read(plain({ Date: date }))).event.at
  const arrival = await at(null)
  t.equal(await at('Tue, 06 Jan 2099 10:00:00 +0000'), arrival)
  t.equal(await at('Thu, 01 Jan 1970 00:00:00 +0000'), arrival)
  t.equal(await at('not a date'), arrival)
  t.equal(await at('Tue, 06 Jan 2026 10:00:00 +0000'), Date.UTC(2026, 0, 6, 10))
})

test('addresses are brought into one form, and what is none is refused', async (t) => {
  t.equal(normalizeAddress('Ann.Lee@EXAMPLE.org'), 'ann.lee@example.org')
  t.equal(normalizeAddress('ann@bücher.example'), 'ann@xn--bcher-kva.example')
  for (const bad of [
    '',
    'a',
    '@',
    'a@',
    '@b',
    'a@@b',
    'a@b@c',
    'a b@c.d',
    '"a@b"@c.d',
    'a@b\r\nc',
    'a\u0000@b',
    'a@[127.0.0.1]',
    'a,b@c.d',
    `${'x'.repeat(65)}@c.d`,
    'a@b..c',
    'a@b\u00a0c',
  ])
    t.equal(normalizeAddress(bad), null, JSON.stringify(bad))
})

test('a megabyte of text is cut to what an agent can read, whole in the raw mail', async (t) => {
  const message = await readMessage(plain({}, 'word '.repeat(200_000)))
  t.equal(message.text?.length, 262_144)
})

test('whatever bytes come, there is exactly one well-formed event', async (t) => {
  const samples = [
    plain(),
    mail(
      'From: ann@example.org',
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'Content-Type: text/html; charset=cp850',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      '<p>=84</p>',
      '--b',
      'Content-Type: message/delivery-status',
      '',
      'Action: failed',
      'Status: 5.0.0',
      '',
      '--b--',
    ),
    mail(
      'From: ann@example.org',
      'Authentication-Results: mx; dmarc=pass',
      'Subject: =?cp850?Q?=84?=',
      'References: <a@b> <c@d>',
      '',
      'On Apr 3, 2012, Bob <b@c.de> wrote:',
      '> x',
    ),
  ]
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), async (bytes) => {
      t.strictSame((await intake(Buffer.from(bytes))).issues, [])
    }),
    { numRuns: 100 },
  )
  const edit = fc.record({
    at: fc.nat(2000),
    drop: fc.nat(20),
    put: fc.oneof(
      fc.uint8Array({ maxLength: 8 }),
      fc.constantFrom(
        Buffer.from('\r\n'),
        Buffer.from('--b'),
        Buffer.from('\u0000'),
        Buffer.from('=?'),
        Buffer.from('"'),
        Buffer.from('<'),
      ),
    ),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...samples),
      fc.array(edit, { minLength: 1, maxLength: 6 }),
      async (sample, edits) => {
        let raw = sample
        for (const { at, drop, put } of edits) {
          const from = at % raw.length
          raw = Buffer.concat([raw.subarray(0, from), put, raw.subarray(from + drop)])
          if (raw.length === 0) break
        }
        t.strictSame((await intake(raw)).issues, [])
      },
    ),
    { numRuns: 300 },
  )
})

test('every collected mail is read without a throw', async (t) => {
  const root = sharedFixtures('email')
  if (root === null) return t.pass('left out: the shared fixtures are not there')
  let count = 0
  for (const folder of ['', 'bounces', 'quotes']) {
    for (const file of readdirSync(join(root, folder)).filter((name) => name.endsWith('.eml'))) {
      const { event, issues } = await intake(readFileSync(join(root, folder, file)))
      t.strictSame(issues, [], file)
      if (event.type === 'unknown') t.not(event.note, 'mail that could not be parsed', file)
      count++
    }
  }
  t.ok(count > 50, `${count} mails`)
})

test('the collected bounces and complaints are recognised', async (t) => {
  const root = sharedFixtures('email/bounces')
  if (root === null) return t.pass('left out: the shared fixtures are not there')
  for (const file of readdirSync(root)) {
    const { event } = await intake(readFileSync(join(root, file)))
    if (file.includes('autoreply')) t.match(event, { type: 'message', automatic: true }, file)
    else t.not(event.type, 'message', file)
  }
})

test('a mail with nothing but a subject says what the subject says', async (t) => {
  t.match((await read(plain({ Subject: 'Please call me' }, ''))).event, { text: 'Please call me' })
  t.match((await read(plain({ Subject: null }, ''))).event, {
    parts: [{ type: 'unsupported', note: 'mail without text' }],
  })
})

test('HTML nested far deeper than any real mail gives its text without long work', async (t) => {
  for (const tag of ['b', 'div', 'blockquote', 'ul><li', 'table><tr><td'])
    t.match(
      (await read(plain({ 'Content-Type': 'text/html' }, `<${tag}>`.repeat(10_000) + 'inside'))).event,
      { text: 'inside' },
      tag,
    )
  const usual = `${'<table><tr><td>'.repeat(30)}inside`
  t.match((await read(plain({ 'Content-Type': 'text/html' }, usual))).event, { text: 'inside' }, 'a newsletter')
})
