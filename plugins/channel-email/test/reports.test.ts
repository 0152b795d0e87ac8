import { test } from 'tap'
import { mail, plain, read, readMessage } from './support/mail.js'

const dsn = (status: readonly string[], original: readonly string[]) =>
  mail(
    'From: MAILER-DAEMON@mx.example.net',
    'To: support@example.com',
    'Subject: Undelivered Mail Returned to Sender',
    'Message-ID: <dsn1@mx.example.net>',
    'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
    '',
    '--b',
    '',
    'Sorry.',
    '--b',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; mx.example.net',
    '',
    ...status,
    '',
    '--b',
    'Content-Type: text/rfc822-headers',
    '',
    ...original,
    '--b--',
  )
const about = ['From: support@example.com', 'To: ann@example.org', 'Message-ID:', ' <part-1.tl@example.com>']

test('a delivery report fails the mail it is about', async (t) => {
  const status = [
    'Final-Recipient: rfc822; ann@example.org',
    'Action: failed',
    'Status: 5.1.1',
    'Diagnostic-Code: smtp; 550 5.1.1 no such',
    ' user here',
  ]
  const { event } = await read(dsn(status, about), { envelope: { from: '' } })
  t.match(event, {
    type: 'receipt',
    status: 'failed',
    target: 'part-1.tl@example.com',
    error: { code: '5.1.1', message: '550 5.1.1 no such user here' },
    thread: { id: 'ann@example.org' },
  })
})

test('giving up after temporary failures is a failure, a mere delay is not', async (t) => {
  const gaveUp = await read(dsn(['Final-Recipient: rfc822; ann@example.org', 'Action: failed', 'Status: 4.4.7'], about))
  t.match(gaveUp.event, { type: 'receipt', status: 'failed', error: { code: '4.4.7' } })
  const delayed = await read(
    dsn(['Final-Recipient: rfc822; ann@example.org', 'Action: delayed', 'Status: 4.4.1'], about),
  )
  t.match(delayed.event, { type: 'unknown', note: 'delivery delayed' })
  const delivered = await read(
    dsn(['Final-Recipient: rfc822; ann@example.org', 'Action: delivered', 'Status: 2.0.0'], about),
  )
  t.match(delivered.event, { type: 'unknown', note: 'delivery report: delivered' })
})

test('a report that names no mail, or a free-text bounce, is kept and says so', async (t) => {
  const nameless = await read(
    dsn(['Final-Recipient: rfc822; ann@example.org', 'Action: failed', 'Status: 5.1.1'], ['Subject: x']),
  )
  t.match(nameless.event, {
    type: 'unknown',
    note: 'bounce that does not name the mail it is about',
    thread: { id: 'ann@example.org' },
  })
  const prose = plain(
    { From: 'Mailer-Daemon@mx.example.net', Subject: 'failure notice', 'X-Failed-Recipients': 'ann@example.org' },
    'Sorry, 550 5.2.1 off.\n\nMessage-ID: <part-2.tl@example.com>',
  )
  t.match((await read(prose)).event, { type: 'receipt', target: 'part-2.tl@example.com', error: { code: '5.2.1' } })
})

test('a complaint withdraws consent for the recipient it names', async (t) => {
  const arf = (type: string) =>
    mail(
      'From: fbl@isp.example',
      'Content-Type: multipart/report; report-type=feedback-report; boundary=b',
      '',
      '--b',
      '',
      'report',
      '--b',
      'Content-Type: message/feedback-report',
      '',
      `Feedback-Type: ${type}`,
      'Original-Rcpt-To: <ann@example.org>',
      '',
      '--b',
      'Content-Type: message/rfc822',
      '',
      'To: ann@example.org',
      '',
      'x',
      '--b--',
    )
  t.match((await read(arf('abuse'))).event, {
    type: 'consent',
    granted: false,
    sender: { id: 'ann@example.org', assurance: 'claimed' },
  })
  t.match((await read(arf('not-spam'))).event, { type: 'unknown', note: 'feedback report: not-spam' })
})

test('mail of machines is marked automatic, mail of people is not', async (t) => {
  const automatic: Readonly<Record<string, Record<string, string>>> = {
    'Auto-Submitted': { 'Auto-Submitted': 'auto-replied' },
    'auto-generated with a comment': { 'Auto-Submitted': 'auto-generated; x=y' },
    'Precedence bulk': { Precedence: 'bulk' },
    'a list': { 'List-Id': '<news.example.org>' },
    'null Return-Path': { 'Return-Path': '<>' },
    'X-Autoreply': { 'X-Autoreply': 'yes' },
    'Exchange rule': { 'X-MS-Exchange-Inbox-Rules-Loop': 'a@b.example' },
    'suppressed answers': { 'X-Auto-Response-Suppress': 'All' },
    'English subject': { Subject: 'Automatic reply: holiday' },
    'German subject': { Subject: '=?utf-8?Q?Automatische_Antwort:_Urlaub?=' },
    'French subject': { Subject: '=?utf-8?Q?R=C3=A9ponse_automatique:_cong=C3=A9s?=' },
    'Japanese subject': { Subject: `=?utf-8?B?${Buffer.from('自動応答: 休暇').toString('base64')}?=` },
  }
  for (const [name, headers] of Object.entries(automatic))
    t.equal((await readMessage(plain(headers))).automatic, true, name)
  t.equal((await readMessage(plain(), { envelope: { from: '' } })).automatic, true, 'null envelope sender')
  for (const headers of [
    {},
    { 'Auto-Submitted': 'no' },
    { Subject: 'Re: my automatic reply machine' },
    { Precedence: 'normal' },
  ])
    t.equal((await readMessage(plain(headers))).automatic, undefined, JSON.stringify(headers))
})

test('a vacation note with a null sender is a message, not a bounce', async (t) => {
  const raw = plain({ Subject: 'Automatic reply: Question', 'Return-Path': '<>' }, 'I am away')
  t.match((await read(raw, { envelope: { from: '' } })).event, { type: 'message', automatic: true, text: 'I am away' })
})
