import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'tap'
import { htmlToText } from '../src/html-text.js'
import { isForward, trimReply } from '../src/reply-trim.js'
import { readMessage } from './support/mail.js'
import { sharedFixtures } from './support/shared.js'

const answer = 'Yes, that works.\nThank you'

test('attribution lines of twenty languages end the answer', async (t) => {
  const lines: Readonly<Record<string, string>> = {
    English: 'On Tue, Apr 3, 2012 at 4:19 PM, Bob <bob@example.com> wrote:',
    German: 'Am 03.04.2012 um 16:19 schrieb Bob Muster:',
    French: 'Le mar. 3 avr. 2012 à 16:19, Bob <bob@example.com> a écrit :',
    Spanish: 'El mar, 3 abr 2012 a las 16:19, Bob (<bob@example.com>) escribió:',
    Portuguese: 'Em ter., 3 de abr. de 2012 às 16:19, Bob <bob@example.com> escreveu:',
    Italian: 'Il giorno mar 3 apr 2012 alle ore 16:19 Bob <bob@example.com> ha scritto:',
    Dutch: 'Op di 3 apr. 2012 om 16:19 schreef Bob <bob@example.com>:',
    Danish: 'Den tirs. 3. apr. 2012 kl. 16.19 skrev Bob <bob@example.com>:',
    Swedish: 'Den tis 3 apr. 2012 kl 16:19 skrev Bob <bob@example.com>:',
    Norwegian: 'tir. 3. apr. 2012 kl. 16:19 skrev Bob <bob@example.com>:',
    Finnish: 'ti 3. huhtik. 2012 klo 16.19 Bob (bob@example.com) kirjoitti:',
    Polish: 'wt., 3 kwi 2012 o 16:19 Bob <bob@example.com> napisał(a):',
    Czech: 'út 3. 4. 2012 v 16:19 odesílatel Bob <bob@example.com> napsal:',
    Hungarian: 'Bob <bob@example.com> ezt írta (időpont: 2012. ápr. 3., K, 16:19):',
    Romanian: 'În mar., 3 apr. 2012 la 16:19, Bob <bob@example.com> a scris:',
    Russian: 'вт, 3 апр. 2012 г. в 16:19, Bob <bob@example.com>:',
    Ukrainian: 'вт, 3 квіт. 2012 р. о 16:19 Bob <bob@example.com> пише:',
    Greek: 'Στις Τρί 3 Απρ 2012 στις 4:19 μ.μ., ο χρήστης Bob <bob@example.com> έγραψε:',
    Turkish: 'Bob <bob@example.com>, 3 Nis 2012 Sal, 16:19 tarihinde şunu yazdı:',
    Japanese: '2012年4月3日(火) 16:19 Bob <bob@example.com>:',
    Chinese: 'Bob <bob@example.com> 于2012年4月3日周二 16:19写道：',
    Korean: '2012년 4월 3일 (화) 오후 4:19, Bob <bob@example.com>님이 작성:',
    Hebrew: '‫בתאריך יום ג׳, 3 באפר׳ 2012 ב-16:19 מאת ‪Bob‬‏ <‪bob@example.com‬‏>:‬',
    Vietnamese: 'Vào Th 3, 3 thg 4, 2012 lúc 16:19 Bob <bob@example.com> đã viết:',
    Indonesian: 'Pada tanggal Sel, 3 Apr 2012 pukul 16.19 Bob <bob@example.com> menulis:',
  }
  for (const [language, line] of Object.entries(lines)) {
    t.equal(trimReply(`${answer}\n\n${line}\n\n> Old\n> text\n`), answer, language)
    t.equal(trimReply(`${answer}\n\n${line}\n\nOld text, not marked\n`), answer, `${language}, quote not marked`)
  }
})

test('copied headers of mail programs end the answer', async (t) => {
  const blocks: Readonly<Record<string, string>> = {
    English: 'From: Bob <bob@example.com>\nSent: Tuesday\nTo: Ann\nSubject: Test',
    German: 'Von: Bob <bob@example.com>\nGesendet: Dienstag\nAn: Ann\nBetreff: Test',
    French: 'De : Bob\nEnvoyé : mardi\nÀ : Ann\nObjet : Test',
    Spanish: 'De: Bob\nEnviado el: martes\nPara: Ann\nAsunto: Test',
    Italian: 'Da: Bob\nInviato: martedì\nA: Ann\nOggetto: Test',
    Dutch: 'Van: Bob\nVerzonden: dinsdag\nAan: Ann\nOnderwerp: Test',
    Polish: 'Od: Bob\nWysłano: wtorek\nDo: Ann\nTemat: Test',
    Russian: 'От: Bob\nОтправлено: вторник\nКому: Ann\nТема: Test',
    Swedish: 'Från: Bob\nSkickat: tisdag\nTill: Ann\nÄmne: Test',
    Japanese: '差出人: Bob\n送信日時: 火曜\n宛先: Ann\n件名: Test',
    Chinese: '发件人：Bob\n发送时间：周二\n收件人：Ann\n主题：Test',
    bold: '*From:* Bob\n*Sent:* Tuesday\n*To:* Ann\n*Subject:* Test',
  }
  for (const [language, block] of Object.entries(blocks)) {
    t.equal(trimReply(`${answer}\n\n________________________________\n${block}\n\nOld text`), answer, language)
  }
  t.equal(trimReply(`${answer}\n\n-----Ursprüngliche Nachricht-----\n\nOld`), answer)
  t.equal(trimReply(`${answer}\n\n-------- Message d'origine --------\n\nOld`), answer)
})

test('what the customer wrote is never cut', async (t) => {
  const whole: Readonly<Record<string, string>> = {
    'an answer between the quotes':
      'See below.\n\nOn Apr 3, 2012, Bob <bob@example.com> wrote:\n> One?\nYes\n> Two?\nNo',
    'an answer below the quote': 'On Apr 3, 2012, Bob <bob@example.com> wrote:\n> One?\n\nYes, one.',
    'a forward':
      'Look at this\n\n---------- Forwarded message ---------\nFrom: Bob <bob@example.com>\nDate: 3 Apr\nSubject: Offer\nTo: Ann\n\nCheap!',
    'an Apple forward':
      'Look\n\nBegin forwarded message:\n\n> From: Bob <bob@example.com>\n> Subject: Offer\n>\n> Cheap!',
    'a mail of nothing but a quote': '> Only\n> quoted',
    'a mail that starts with copied headers': 'From: Bob\nSent: today\nTo: Ann\nSubject: Test\n\nText',
    'a sentence about writing': 'On page 5 you wrote:\nthe warranty is two years. Is it?',
    'the word From in a sentence': 'It comes from: Berlin\nand to: Munich, right?',
    'a list after dashes': '-- first\n-- second\nand third',
    'a URL with wrote in it': 'See https://example.com/on-2024-someone-wrote:\nplease',
  }
  for (const [name, text] of Object.entries(whole)) t.equal(trimReply(text), text, name)
  t.equal(
    trimReply(`${answer}\n\nFrom: Bob\nSent: x\nTo: y\nSubject: z\n\nText`, { subject: 'WG: Offer' }).includes('Text'),
    true,
    'a forward by subject',
  )
  t.equal(isForward('Fwd: x'), true)
  t.equal(isForward('Re: x'), false)
})

test('signatures stay, rules above the history go', async (t) => {
  t.equal(
    trimReply('Hi\n\n-- \nAnn\nExample Ltd\n\nOn Apr 3, 2012, Bob <b@example.com> wrote:\n> x'),
    'Hi\n\n-- \nAnn\nExample Ltd',
  )
  t.equal(trimReply('Hi\n\n________________\nFrom: B\nTo: A\nDate: C\nSubject: D\n\nx'), 'Hi')
})

test('HTML quotes of the usual programs are recognised', async (t) => {
  const bodies: Readonly<Record<string, string>> = {
    Gmail:
      '<div>Yes<br></div><div class="gmail_quote"><div class="gmail_attr">whatever language</div><blockquote class="gmail_quote">Old</blockquote></div>',
    Thunderbird: '<p>Yes</p><div class="moz-cite-prefix">xyz:</div><blockquote type="cite">Old</blockquote>',
    Outlook:
      '<div>Yes</div><div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><b>Xyz:</b> Bob</div><div>Old</div>',
    Yahoo: '<div>Yes</div><div id="y" class="yahoo_quoted"><div>Old</div></div>',
    blockquote: 'Yes<blockquote>Old</blockquote>',
  }
  for (const [program, html] of Object.entries(bodies)) t.equal(trimReply(htmlToText(html)), 'Yes', program)
  const between =
    '<div>Hi</div><div class="gmail_quote"><div class="gmail_attr">x</div><blockquote>One?</blockquote><div>Yes</div><blockquote>Two?</blockquote></div>'
  t.match(trimReply(htmlToText(between)), /One\?[^]*Yes/, 'an answer between the quotes is kept')
  const forward =
    '<div>Look</div><div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message ---------<br>From: Bob</div>Cheap!</div>'
  t.match(trimReply(htmlToText(forward)), /Cheap!/, 'a forward is kept')
})

test('trimming never throws, never invents text and never answers nothing for something', async (t) => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom(
      '> quoted',
      '',
      'On Apr 3, 2012, Bob <b@example.com> wrote:',
      'From: a',
      'To: b',
      'Subject: c',
      'Date: d',
      '-----Original Message-----',
      '\ufdd0',
      '>:',
      '---- Forwarded message ----',
    ),
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 60 }), (lines) => {
      const text = lines.join('\n')
      const trimmed = trimReply(text)
      const bare = text.replaceAll('\ufdd0\n', '').replaceAll('\ufdd0', '')
      return bare.includes(trimmed) && (trimmed !== '' || bare.trim() === '')
    }),
    { numRuns: 500 },
  )
  for (const worst of [
    '1:\n',
    'a@b 2012:\n',
    `2012 ${'<@'.repeat(230)}:\n`,
    '>',
    'wrote:\n',
    'On 1 2012 \n',
    '-',
    'From:\n',
    ' \t',
  ])
    t.type(trimReply(worst.repeat(200_000 / worst.length)), 'string', 'long and repetitive text is worked off')
})

test('the collected replies of seven mail programs come out as expected', async (t) => {
  const folder = sharedFixtures('email/quotes')
  if (folder === null) return t.pass('left out: the shared fixtures are not there')
  const expected = JSON.parse(readFileSync(join(folder, 'expected_reply_text.json'), 'utf8')) as Record<string, string>
  for (const [file, text] of Object.entries(expected)) {
    t.equal((await readMessage(readFileSync(join(folder, file)))).text, text.trim(), file)
  }
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.html'))) {
    const text = trimReply(htmlToText(readFileSync(join(folder, file), 'utf8')))
    t.match(text, /^Hi/, file)
    t.notMatch(text, /Hello|How are you|xxx@comcast|abc@example/, `${file}: no history`)
  }
})

test('no collected forward loses its content', async (t) => {
  const folder = sharedFixtures('email/forwards')
  if (folder === null) return t.pass('left out: the shared fixtures are not there')
  for (const file of readdirSync(folder).filter(
    (name) => name.endsWith('body.txt') || name.endsWith('variant_1.txt'),
  )) {
    const text = readFileSync(join(folder, file), 'utf8').replaceAll('\r\n', '\n')
    t.match(trimReply(text, { subject: 'Fwd: x' }), /Aenean quis diam/, file)
  }
})
