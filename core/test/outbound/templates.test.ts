import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { checkTemplates, loadTemplates } from '../../src/outbound/templates.js'
import { templateFaults } from '../../src/outbound/template-syntax.js'

type Teardown = { teardown(fn: () => Promise<void>): void }
const mail = { plugin: 'email', kind: 'email' }

async function folder(t: Teardown, files: Readonly<Record<string, string | Buffer>>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'templates-'))
  t.teardown(() => rm(dir, { recursive: true }))
  for (const [name, content] of Object.entries(files)) await writeFile(join(dir, name), content)
  return dir
}

test('the templates that come with the engine have no faults and say something with and without values', async (t) => {
  const dir = fileURLToPath(new URL('../../../../config/templates', import.meta.url))
  const templates = await loadTemplates(dir)
  t.same(templates.problems, [])
  t.same(templates.names, ['agent-lost', 'auto-reply-received', 'offer-wait', 'out-of-hours'])
  const values = {
    customer: { name: 'Ann', language: 'de' },
    wait: { minutes: 5 },
    opensAt: '2026-03-02T08:00:00Z',
    timeZone: 'Europe/Berlin',
  }
  t.match(templates.render('auto-reply-received', values, { plugin: null, kind: 'sms' }), /^Hello Ann, thank you/)
  t.match(templates.render('auto-reply-received', values, mail), /reply to this e-mail/)
  t.match(templates.render('out-of-hours', values, mail), /2\. März 2026/)
  t.match(templates.render('out-of-hours', {}, mail), /not here at the moment\./)
  t.match(templates.render('offer-wait', values, mail), /about 5 minutes/)
  t.match(templates.render('offer-wait', {}, mail), /as soon as one is free/)
})

test('a template of the plugin wins over one of the kind, and that over the general one', async (t) => {
  const dir = await folder(t, { 'hi.hbs': 'general', 'hi.messaging.hbs': 'kind', 'hi.telegram.hbs': 'plugin' })
  const templates = await loadTemplates(dir)
  t.equal(templates.render('hi', {}, { plugin: 'telegram', kind: 'messaging' }), 'plugin')
  t.equal(templates.render('hi', {}, { plugin: 'whatsapp', kind: 'messaging' }), 'kind')
  t.equal(templates.render('hi', {}, { plugin: null, kind: 'sms' }), 'general')
  t.throws(() => templates.render('bye', {}, mail), { code: 'TL_TEMPLATE_UNKNOWN' })
  t.throws(() => templates.render('../hi', {}, mail), { code: 'TL_TEMPLATE_UNKNOWN' })
})

test('values are text for text channels and escaped for HTML', async (t) => {
  const templates = await loadTemplates(await folder(t, { 'x.hbs': '{{name}} {{{name}}}' }))
  t.equal(templates.render('x', { name: '<b>"O\'Neil"</b>' }, mail), '<b>"O\'Neil"</b> <b>"O\'Neil"</b>')
  t.equal(templates.render('x', { name: '<b>' }, mail, 'html'), '&lt;b&gt; <b>')
})

test('a template has no way to a prototype, a constructor or anything that was not given', async (t) => {
  const attempts = [
    '{{name.length.constructor}}',
    '{{toString}}',
    '{{#with name}}{{toString}}{{/with}}',
    '{{hasOwnProperty}}',
    '{{this.valueOf}}',
    '{{list.push}}',
    '{{#each list}}{{this.constructor}}{{/each}}',
    '{{@root.process.env}}',
  ]
  for (const attempt of attempts) {
    if (templateFaults(attempt).length > 0) continue
    const templates = await loadTemplates(await folder(t, { 'x.hbs': attempt }))
    t.notMatch(templates.render('x', { name: 'Ann', list: ['a'] }, mail), /function|object|native/i, attempt)
  }
  const refused = [
    '{{constructor.constructor}}',
    '{{name.__proto__}}',
    '{{lookup name "constructor"}}',
    '{{#each (lookup list 0)}}x{{/each}}',
    '{{log name}}',
    '{{> partial}}',
    '{{#> layout}}x{{/layout}}',
    '{{* deco}}',
    '{{include "/etc/passwd"}}',
    '{{#list}}x{{/list}}',
    '{{#if',
    '{{#if a}}x',
    '{{/if}}',
    '{{a b c}}',
  ]
  for (const attempt of refused) t.ok(templateFaults(attempt).length > 0, attempt)
  const own = await loadTemplates(await folder(t, { 'x.hbs': '[{{a.b}}]' }))
  t.equal(own.render('x', JSON.parse('{"__proto__": {"a": {"b": "bad"}}}') as Record<string, unknown>, mail), '[]')
  t.equal(({} as Record<string, unknown>)['a'], undefined, 'nothing else was changed')
})

test('loops and output have limits', async (t) => {
  const dir = await folder(t, {
    'nested.hbs': '{{#each a}}{{#each ../a}}{{#each ../../a}}x{{/each}}{{/each}}{{/each}}',
    'long.hbs': '{{#each a}}{{@root.big}}{{/each}}',
  })
  const templates = await loadTemplates(dir)
  const values = { a: Array.from({ length: 500 }, (_, index) => index), big: 'y'.repeat(1_000) }
  t.throws(() => templates.render('nested', values, mail), { code: 'TL_TEMPLATE_FAILED' })
  t.throws(() => templates.render('long', values, mail), { code: 'TL_TEMPLATE_FAILED' })
  t.equal(templates.render('long', { a: [1, 2], big: 'z' }, mail), 'zz', 'and the next rendering starts afresh')
})

test('the helpers do what their names say, whatever they are given', async (t) => {
  const cases: readonly (readonly [string, object, string])[] = [
    ['{{upper a}} {{lower a}}', { a: 'Äb' }, 'ÄB äb'],
    ['{{default a "none"}}', {}, 'none'],
    ['{{default a "none"}}', { a: 0 }, '0'],
    ['{{upper a}}{{lower}}', { a: { b: 1 } }, ''],
    ['{{date a style="long"}}', { a: '2026-03-01T12:00:00Z' }, 'March 1, 2026'],
    ['{{date a}}', { a: 'no date' }, ''],
    ['{{#unless a}}n{{else}}y{{/unless}}{{#with b}}{{c}}{{/with}}', { b: { c: 'd' } }, 'nd'],
  ]
  for (const [source, values, expected] of cases) {
    const templates = await loadTemplates(await folder(t, { 'x.hbs': source }))
    t.same(templates.problems, [])
    t.equal(templates.render('x', values as Record<string, unknown>, mail), expected, source)
  }
  const bad = await loadTemplates(await folder(t, { 'x.hbs': '{{date a timeZone="Nowhere/Here"}}' }))
  t.throws(() => bad.render('x', { a: 0 }, mail), { code: 'TL_TEMPLATE_FAILED' })
})

test('a fault names file, line and remedy, and the other templates work', async (t) => {
  const dir = await folder(t, {
    'good.hbs': 'fine',
    'bad.hbs': 'line one\n{{shout name}}\n',
    'open.hbs': 'one\ntwo\n{{#if x}}',
    'Wrong Name.hbs': 'x',
    'bytes.hbs': Buffer.from([0xff, 0xfe, 0x41]),
    'huge.hbs': 'x'.repeat(70_000),
    'notes.txt': '{{nothing to see',
  })
  const problems = await checkTemplates(dir)
  t.equal(problems.length, 5)
  for (const each of problems) {
    t.equal(each.code, 'TL_TEMPLATE_INVALID')
    t.ok(each.remedy.length > 5 && each.message.length > 5)
  }
  const bad = problems.find((each) => each.position.file.endsWith('bad.hbs'))
  t.same(bad?.position, { file: join(dir, 'bad.hbs'), line: 2, column: 1 })
  t.match(bad?.message, /no helper `shout`/)
  t.equal(problems.find((each) => each.position.file.endsWith('open.hbs'))?.position.line, 3)
  const templates = await loadTemplates(dir)
  t.same(templates.names, ['good'])
  t.same(await checkTemplates(join(dir, 'not-there')), [], 'a folder that is not there has no templates and no faults')
})
