import iconv from 'iconv-lite'
import { test } from 'tap'
import { repairCharsets } from '../src/charset-repair.js'
import { parseMail } from '../src/parse-mail.js'
import { mail, readMessage } from './support/mail.js'

const head = [
  'From: Ann <ann@example.org>',
  'To: support@example.com',
  'Message-ID: <c@example.org>',
  'MIME-Version: 1.0',
]
const body = async (bytes: Uint8Array, ...headers: readonly string[]) => {
  const raw = Buffer.concat([mail(...head, ...headers, ''), bytes])
  return (await readMessage(raw)).text
}
const qp = (bytes: Uint8Array) =>
  Buffer.from([...bytes].map((byte) => `=${byte.toString(16).padStart(2, '0').toUpperCase()}`).join(''))

test('bodies are decoded in the charset they declare', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['utf-8', 'Grüße 👋 日本'],
    ['iso-8859-1', 'Prix: déjà vu'],
    ['windows-1252', '“Quoted” – it’s 100 €'],
    ['windows-1251', 'Здравствуйте'],
    ['koi8-r', 'Здравствуйте'],
    ['shift_jis', 'こんにちは'],
    ['euc-kr', '안녕하세요'],
    ['ks_c_5601-1987', '안녕하세요'],
    ['big5', '您好'],
    ['gb2312', '您好'],
    ['cp850', 'Größe: ½ ║ ñ'],
    ['cp437', 'café ▓'],
    ['iso-8859-15', 'preço 5 €'],
    ['utf-7', 'Grüße 日本'],
  ]
  for (const [charset, text] of cases) {
    const name = charset === 'ks_c_5601-1987' ? 'euc-kr' : charset
    const bytes = iconv.encode(text, name)
    const type = `Content-Type: text/plain; charset=${charset}`
    t.equal(await body(bytes, type, 'Content-Transfer-Encoding: 8bit'), text, `${charset}, 8bit`)
    t.equal(
      await body(qp(bytes), type, 'Content-Transfer-Encoding: quoted-printable'),
      text,
      `${charset}, quoted-printable`,
    )
    const base64 = Buffer.from(bytes.toString('base64'))
    t.equal(
      await body(base64, `Content-Type: text/plain; charset="${charset}"`, 'Content-Transfer-Encoding: base64'),
      text,
      `${charset}, base64`,
    )
  }
})

test('ISO-2022-JP and ISO-2022-KR are decoded, the Japanese also where nobody declared it', async (t) => {
  const jp = Buffer.from('\u001b$B$3$s$K$A$O\u001b(B', 'latin1')
  t.equal(await body(jp, 'Content-Type: text/plain; charset=iso-2022-jp'), 'こんにちは')
  t.equal(await body(jp, 'Content-Type: text/plain'), 'こんにちは', 'undeclared')
  const euc = iconv.encode('안녕', 'euc-kr')
  const kr = Buffer.concat([
    Buffer.from('\u001b$)C\r\n\u000e', 'latin1'),
    Buffer.from(euc.map((byte) => byte & 0x7f)),
    Buffer.from('\u000f abc', 'latin1'),
  ])
  t.equal(await body(kr, 'Content-Type: text/plain; charset=iso-2022-kr'), '안녕 abc')
})

test('undeclared 8-bit text is read as UTF-8 if it is, else as Windows-1252', async (t) => {
  t.equal(await body(Buffer.from('Grüße')), 'Grüße')
  t.equal(await body(iconv.encode('C’est cassé – 100 €', 'windows-1252')), 'C’est cassé – 100 €')
  t.equal(await body(iconv.encode('cassé', 'windows-1252'), 'Content-Type: text/plain; charset=us-ascii'), 'cassé')
})

test('raw 8-bit and odd encoded words in headers are readable', async (t) => {
  const header = (value: Uint8Array) =>
    Buffer.concat([
      Buffer.from('From: "'),
      value,
      Buffer.from('" <rene@example.org>\r\nSubject: '),
      value,
      Buffer.from('\r\n\r\nx\r\n'),
    ])
  const latin = await parseMail(header(iconv.encode('Pièce à 100 €', 'windows-1252')))
  t.equal(latin.subject, 'Pièce à 100 €')
  t.equal(latin.from[0]?.name, 'Pièce à 100 €')
  const utf8 = await parseMail(header(Buffer.from('Größe 日本')))
  t.equal(utf8.subject, 'Größe 日本', 'SMTPUTF8')
  const word = `=?cp850?B?${iconv.encode('Größe', 'cp850').toString('base64')}?=`
  t.equal((await parseMail(mail(`Subject: ${word}`, '', 'x'))).subject, 'Größe')
  t.equal((await parseMail(mail('Subject: =?windows-1252?Q?It=92s?=', '', 'x'))).subject, 'It’s')
  t.equal((await parseMail(mail('Subject: =?utf-8?q?broken', '', 'x'))).subject, '=?utf-8?q?broken')
  t.equal((await parseMail(mail('Subject: =?nonsense?B?VEVTVA==?=', '', 'x'))).subject, 'TEST')
})

test('file names continued over parameters (RFC 2231) and flowed text are put together', async (t) => {
  const raw = mail(
    ...head,
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes',
    '',
    'This line is con ',
    'tinued',
    '--b',
    'Content-Type: application/pdf',
    "Content-Disposition: attachment; filename*0*=utf-8''Rechnung%20; filename*1*=M%C3%A4rz.pdf",
    'Content-Transfer-Encoding: base64',
    '',
    'JVBERg==',
    '--b--',
  )
  const read = await parseMail(raw)
  t.equal(read.text?.trim(), 'This line is continued')
  t.equal(read.attachments[0]?.name, 'Rechnung März.pdf')
})

test('only the text parts of a mixed mail are rewritten', async (t) => {
  const binary = Buffer.from([0xff, 0xd8, 0x00, 0x92, 0x0d, 0x0a, 0x80])
  const raw = Buffer.concat([
    mail(
      ...head,
      'Content-Type: multipart/mixed; boundary="outer"',
      '',
      'preamble',
      '--outer',
      'Content-Type: multipart/alternative;',
      ' boundary="inner"',
      '',
      '--inner',
      'Content-Type: text/plain; charset=cp850; format=flowed',
      '',
    ),
    iconv.encode('Größe\r\n', 'cp850'),
    mail(
      '--inner',
      'Content-Type: text/html; charset=utf-8',
      '',
      '<b>Größe</b>',
      '--inner--',
      'epilogue',
      '--outer',
      'Content-Type: image/jpeg; name=a.jpg',
      'Content-Transfer-Encoding: binary',
      '',
    ),
    binary,
    mail('', '--outer--', 'the end'),
  ])
  const read = await parseMail(raw)
  t.equal(read.text?.trim(), 'Größe')
  t.equal(read.html?.trim(), '<b>Größe</b>')
  t.equal(read.attachments.length, 1)
  t.ok(
    Buffer.from(read.attachments[0]?.bytes ?? []).includes(Buffer.from([0xff, 0xd8, 0x00, 0x92])),
    'other bytes are left alone',
  )
})

test('a mail that needs no repair is passed as it is', async (t) => {
  const raw = mail(...head, 'Content-Type: text/plain; charset=utf-8', '', 'Grüße')
  t.equal(repairCharsets(raw), raw, 'the same buffer')
})
