import type { Part } from '@throughline/plugin-sdk'
import { test } from 'tap'
import { webChat } from './support/calls.js'

const clientId = '0c0ffee0-0000-4000-8000-000000000001'

test('the thread is read in pages that fit together', async (t) => {
  const chat = await webChat()
  const { token, thread } = await chat.session()
  for (let n = 0; n < 250; n += 1) chat.host.threads.say(thread, { parts: [{ type: 'text', text: `${n}` }] })
  const texts: string[] = []
  let after = ''
  for (let more = true; more;) {
    const { body } = await chat.get('thread', { after }, token)
    texts.push(...body['messages'].map((message: any) => message.parts[0].text))
    after = body['cursor']
    more = body['more']
  }
  t.same(
    texts,
    Array.from({ length: 250 }, (_, n) => `${n}`),
  )
  t.same((await chat.get('thread', { after }, token)).body, { messages: [], cursor: after, more: false })
})

test('a message of the visitor carries the client id it was sent with, an answer none', async (t) => {
  const chat = await webChat()
  const { token, thread } = await chat.session()
  chat.host.threads.say(thread, { direction: 'in', externalId: `${thread}:${clientId}` })
  chat.host.threads.say(thread, { direction: 'in', externalId: 'from-elsewhere' })
  chat.host.threads.say(thread, { direction: 'out', externalId: `${thread}:${clientId}` })
  const { body } = await chat.get('thread', {}, token)
  t.same(
    body['messages'].map((message: any) => message.clientId),
    [clientId, null, null],
  )
})

test('a page gets links, not handles, and no link with a scheme that runs something', async (t) => {
  const chat = await webChat()
  const { token, thread } = await chat.session()
  const file = await chat.host.files.put(new Uint8Array([1]), { name: 'a.pdf' })
  const parts: Part[] = [
    { type: 'file', media: { file: file.key, name: 'a.pdf', size: 1, id: 'internal', sha256: 'x' } },
    { type: 'image', media: { url: 'https://img.test/a.png' }, caption: 'c\u0000' },
    { type: 'image', media: { url: 'javascript:alert(1)' } },
    {
      type: 'choices',
      text: 'Which?',
      choices: [{ label: 'A' }, { label: 'B', value: 'b', url: 'javascript:alert(1)' }],
    },
    { type: 'carousel', cards: [{ title: 'T', choices: [{ label: 'Go', url: 'https://go.test/' }] }] },
    { type: 'contact', name: 'Ada', identifiers: [{ kind: 'email', value: 'ada@mail.test' }] },
    { type: 'template', name: 'n', language: 'en', parameters: ['p'], text: 'From a template' },
    { type: 'unsupported', note: 'A poll' },
  ]
  chat.host.threads.say(thread, { parts })
  const [message] = (await chat.get('thread', {}, token)).body['messages']
  t.same(message.parts, [
    {
      type: 'media',
      kind: 'file',
      media: { url: `https://support.example.test/files/${file.key}/a.pdf`, name: 'a.pdf', size: 1 },
    },
    { type: 'media', kind: 'image', media: { url: 'https://img.test/a.png' }, caption: 'c\uFFFD' },
    { type: 'media', kind: 'image', media: { url: null } },
    {
      type: 'choices',
      text: 'Which?',
      choices: [
        { label: 'A', value: 'A' },
        { label: 'B', value: 'b' },
      ],
    },
    { type: 'carousel', cards: [{ title: 'T', choices: [{ label: 'Go', value: 'Go', url: 'https://go.test/' }] }] },
    { type: 'text', text: 'Ada\nemail: ada@mail.test', format: 'plain' },
    { type: 'text', text: 'From a template', format: 'plain' },
    { type: 'text', text: 'A poll', format: 'plain' },
  ])
})

test('reading up to a message is one receipt, having got them is one for each, and repeating changes nothing', async (t) => {
  const chat = await webChat()
  const { token, thread } = await chat.session()
  const out = (externalId: string) => chat.host.threads.say(thread, { externalId })
  const first = out('part-1')
  chat.host.threads.say(thread, { direction: 'in', externalId: `${thread}:${clientId}` })
  out('part-2')
  const third = out('part-3')
  const delivered = { after: first.cursor, cursor: third.cursor, status: 'delivered' }
  t.same((await chat.post('read', delivered, token)).body, { acknowledged: 2 })
  t.same((await chat.post('read', { cursor: third.cursor }, token)).body, { acknowledged: 1 })
  await chat.post('read', { cursor: third.cursor }, token)
  const target = (id: string) => ({ type: 'receipt', target: id, thread: { id: thread } })
  t.match(chat.accepted, [
    { ...target('part-2'), status: 'delivered' },
    { ...target('part-3'), status: 'delivered' },
    { ...target('part-3'), status: 'read', watermark: true },
  ])
  t.equal(chat.accepted.length, 3)
})

test('nobody acknowledges what is not in their thread', async (t) => {
  const chat = await webChat()
  const [one, two] = [await chat.session(), await chat.session()]
  const { cursor } = chat.host.threads.say(one['thread'], { externalId: 'part-1' })
  t.same((await chat.post('read', { cursor }, two['token'])).body, { acknowledged: 0 })
  t.same((await chat.post('read', { cursor: 'made up' }, one['token'])).body, { acknowledged: 0 })
  t.match(await chat.post('read', {}, one['token']), { status: 400 })
  t.match(await chat.post('read', { cursor, status: 'failed' }, one['token']), { status: 400 })
  t.equal(chat.accepted.length, 0)
})
