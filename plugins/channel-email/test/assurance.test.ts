import { test } from 'tap'
import fc from 'fast-check'
import { parseAuthenticationResults, vouchedFor } from '../src/assurance.js'
import { mail, plain, readMessage } from './support/mail.js'

const trusted = ['mx.example.com']
const assuranceOf = async (raw: Buffer) => (await readMessage(raw, { trusted })).sender.assurance
const withResults = (...values: readonly string[]) =>
  mail(
    ...values.map((value) => `Authentication-Results: ${value}`),
    'From: Ann <ann@bank.example>',
    'To: support@example.com',
    'Message-ID: <a@bank.example>',
    '',
    'Hello',
  )

test('a DMARC pass for the From domain by a trusted server makes the address verified', async (t) => {
  const raw = withResults('mx.example.com; dmarc=pass (p=REJECT dis=NONE) header.from=bank.example')
  const message = await readMessage(raw, { trusted })
  t.equal(message.sender.assurance, 'verified')
  t.strictSame(message.sender.identifiers, [{ kind: 'email', value: 'ann@bank.example', assurance: 'verified' }])
  t.equal(message.thread.id, 'ann@bank.example')
})

test('a DKIM pass of the From domain or of a domain above it makes the address verified', async (t) => {
  t.equal(await assuranceOf(withResults('mx.example.com; dkim=pass header.d=bank.example header.s=k1')), 'verified')
  t.equal(await assuranceOf(withResults('mx.example.com 1; dkim=pass header.i=@bank.example')), 'verified')
  t.equal(vouchedFor('mail.bank.example', ['mx.example.com; dkim=pass header.d=bank.example'], trusted), true)
  t.equal(vouchedFor('bank.example', ['mx.example.com; dkim=pass header.d=evil.bank.example'], trusted), false)
  t.equal(vouchedFor('bank.example', ['mx.example.com; dkim=pass header.d=example'], trusted), false)
  t.equal(vouchedFor('notbank.example', ['mx.example.com; dkim=pass header.d=bank.example'], trusted), false)
})

test('forged mail stays claimed', async (t) => {
  const forged: Readonly<Record<string, Buffer>> = {
    'no results at all': withResults(),
    'results of an unknown server': withResults('mx.evil.example; dmarc=pass header.from=bank.example'),
    'forged results below those of our server': withResults(
      'mx.example.com; dmarc=fail header.from=bank.example',
      'mx.example.com; dmarc=pass header.from=bank.example',
    ),
    'a pass for another domain': withResults('mx.example.com; dmarc=pass header.from=evil.example'),
    'a pass without saying for which domain': withResults('mx.example.com; dmarc=pass'),
    'a pass inside a comment': withResults(
      'mx.example.com; dkim=fail (dkim=pass header.d=bank.example) header.d=bank.example',
    ),
    'a pass inside a nested comment': withResults(
      'mx.example.com; dkim=none ((x) ; dmarc=pass header.from=bank.example)',
    ),
    'a pass inside a quoted string': withResults(
      'mx.example.com; spf=pass smtp.mailfrom="; dmarc=pass header.from=bank.example"@evil.example',
    ),
    'an escaped quote': withResults('mx.example.com; spf=fail reason="a\\"; dmarc=pass header.from=bank.example"'),
    'a comment that does not end': withResults('mx.example.com; dkim=fail (; dmarc=pass header.from=bank.example'),
    'a signature of another domain': withResults('mx.example.com; dkim=pass header.d=evil.example'),
    'DMARC failed although a signature passed': withResults(
      'mx.example.com; dkim=pass header.d=bank.example; dmarc=fail header.from=bank.example',
    ),
    'two DMARC answers': withResults(
      'mx.example.com; dmarc=fail header.from=bank.example; dmarc=pass header.from=bank.example',
    ),
    'SPF alone': withResults('mx.example.com; spf=pass smtp.mailfrom=bank.example'),
  }
  for (const [name, raw] of Object.entries(forged)) t.equal(await assuranceOf(raw), 'claimed', name)
})

test('without trusted servers nothing is verified', async (t) => {
  const raw = withResults('mx.example.com; dmarc=pass header.from=bank.example')
  t.equal((await readMessage(raw)).sender.assurance, 'claimed')
})

test('a From line that two programs could read differently is never verified', async (t) => {
  const results = 'mx.example.com; dmarc=pass header.from=bank.example'
  const lines: Readonly<Record<string, readonly string[]>> = {
    'two From headers': ['From: ann@bank.example', 'From: eve@evil.example'],
    'two addresses': ['From: ann@bank.example, eve@evil.example'],
    'an address as the name': ['From: "ann@bank.example" <eve@bank.example>'],
    'no comma between two': ['From: ann@bank.example eve@bank.example'],
  }
  for (const [name, from] of Object.entries(lines)) {
    const raw = mail(`Authentication-Results: ${results}`, ...from, 'To: support@example.com', '', 'x')
    t.equal(await assuranceOf(raw), 'claimed', name)
  }
})

test('Reply-To never becomes the sender', async (t) => {
  const message = await readMessage(plain({ 'Reply-To': 'victim@bank.example' }))
  t.equal(message.sender.id, 'ann@example.org')
  t.equal(message.thread.id, 'ann@example.org')
})

test('of several From addresses the Sender header picks one, and it stays claimed', async (t) => {
  const raw = plain({ From: 'ann@example.org, bob@example.org', Sender: 'bob@example.org' })
  const message = await readMessage(raw, { trusted })
  t.equal(message.sender.id, 'bob@example.org')
  t.equal(message.sender.assurance, 'claimed')
  const stranger = await readMessage(plain({ From: 'ann@example.org, bob@example.org', Sender: 'eve@evil.example' }))
  t.equal(stranger.sender.id, 'ann@example.org', 'a Sender that is none of them is not taken')
})

test('the parser of results never throws and never reads past a quote or comment', async (t) => {
  const piece = fc.constantFrom(
    'mx.example.com',
    ';',
    ' ',
    'dmarc=pass',
    'header.from=bank.example',
    '(',
    ')',
    '"',
    '\\',
    '=',
    'dkim=fail',
    '\t',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      parseAuthenticationResults(pieces.join(''))
      return !vouchedFor(
        'bank.example',
        [`mx.example.com; x=y (${pieces.join('').replaceAll(/[()\\]/g, '')})`],
        trusted,
      )
    }),
  )
  t.pass('held')
})
