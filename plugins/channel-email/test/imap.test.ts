import { test } from 'tap'
import type { TestContext } from '@throughline/plugin-sdk/testing'
import plugin from '../src/index.js'
import type { Settings } from '../src/settings.js'
import { ImapServer } from './support/imap-server.js'
import { instance, plain } from './support/mail.js'

type Test = { teardown(run: () => unknown): void }
type Host = TestContext<'channel', Settings>

async function mailbox(t: Test, settings: Readonly<Record<string, unknown>> = {}) {
  const server = new ImapServer()
  const port = await server.listen()
  t.teardown(() => server.close())
  const { host, channel } = await instance({
    imap: { host: '127.0.0.1', port, tls: false, user: 'support', password: 'right', ...settings },
  })
  /** Runs the reader until stopped. */
  const run = () => {
    const controller = new AbortController()
    let isReady: () => void = () => undefined
    const ready = new Promise<void>((resolve) => (isReady = resolve))
    const done = Promise.resolve(channel.connect?.(controller.signal, isReady))
    done.catch(() => undefined)
    t.teardown(() => controller.abort())
    return {
      ready,
      done,
      stop: () => {
        controller.abort()
        return done
      },
    }
  }
  return { server, port, host, run }
}

/** Resolves when the core has that many events. */
async function accepted(host: Host, count: number): Promise<void> {
  while (host.accepted.length < count) await new Promise((resolve) => setImmediate(resolve))
}

const numbered = (n: number) => plain({ 'Message-ID': `<n${n}@example.org>` }, `Text ${n}`)
const texts = (host: Host) => host.accepted.map((event) => (event.type === 'message' ? event.text : event.type))

test('mail that arrives while the server is idling is taken in at once, nothing older', async (t) => {
  const { server, host, run } = await mailbox(t)
  server.deliver(numbered(1))
  const reader = run()
  const idling = server.seen(/^IDLE/)
  await reader.ready
  await idling
  server.deliver(numbered(2))
  server.deliver(numbered(3))
  await accepted(host, 2)
  t.strictSame(texts(host), ['Text 2', 'Text 3'])
  await reader.stop()
  t.ok(
    server.commands.some((command) => /^EXAMINE/i.test(command)),
    'the folder is opened read-only',
  )
  t.notOk(
    server.commands.some((command) => /STORE|EXPUNGE|BODY\[/i.test(command)),
    'nothing is marked or removed',
  )
})

test('a restarted reader goes on where it stopped', async (t) => {
  const { server, host, run } = await mailbox(t, { since: 'all' })
  server.deliver(numbered(1))
  const first = run()
  await accepted(host, 1)
  await first.stop()
  server.deliver(numbered(2))
  server.commands.length = 0
  const second = run()
  await accepted(host, 2)
  await second.stop()
  t.strictSame(texts(host), ['Text 1', 'Text 2'])
  t.notOk(
    server.commands.some((command) => /FETCH 101/.test(command)),
    'the first mail was not read again',
  )
})

test('the cursor moves only after the mail is stored', async (t) => {
  const { server, host, run } = await mailbox(t, { since: 'all' })
  server.deliver(numbered(1))
  server.deliver(numbered(2))
  host.refuseInbox(1)
  await t.rejects(run().done, { message: /inbox is away/ })
  t.equal(host.accepted.length, 0)
  const again = run()
  await accepted(host, 2)
  await again.stop()
  t.strictSame(texts(host), ['Text 1', 'Text 2'])
})

test('after a change of UIDVALIDITY the folder is read again and duplicates are dropped', async (t) => {
  const { server, host, run } = await mailbox(t, { since: 'all' })
  server.deliver(numbered(1))
  server.deliver(numbered(2))
  const first = run()
  await accepted(host, 2)
  await first.stop()
  server.uidValidity = 8
  server.mails = server.mails.map((mail, i) => ({ ...mail, uid: i + 1 }))
  server.deliver(numbered(3))
  const second = run()
  await accepted(host, 3)
  await second.stop()
  t.strictSame(texts(host), ['Text 1', 'Text 2', 'Text 3'])
  t.equal(host.counts['mails_received'], 5, 'all three were looked at again')
})

test('a rescan leaves out what was there before the channel was set up', async (t) => {
  const { server, host, run } = await mailbox(t)
  server.deliver(numbered(1), { date: '01-Jan-2020 00:00:00 +0000' })
  const first = run()
  await first.ready
  await first.stop()
  server.uidValidity = 8
  server.deliver(numbered(2))
  const second = run()
  await accepted(host, 1)
  await second.stop()
  t.strictSame(texts(host), ['Text 2'])
})

test('a server that announces nothing is asked', async (t) => {
  const { server, host, run } = await mailbox(t, { pollSeconds: 1 })
  server.idle = false
  const looked = server.seen(/^UID SEARCH/)
  const reader = run()
  await looked
  server.deliver(numbered(1), { announce: false })
  await accepted(host, 1)
  await reader.stop()
  t.strictSame(texts(host), ['Text 1'])
})

test('of a mail over the limit the beginning is kept', async (t) => {
  const { server, host, run } = await mailbox(t, { since: 'all', maxBytes: 65_536 })
  server.deliver(plain({}, 'x'.repeat(300_000)))
  const reader = run()
  await accepted(host, 1)
  await reader.stop()
  t.match(host.accepted[0], { type: 'message', sender: { id: 'ann@example.org' }, subject: 'Question' })
  t.ok(host.logs.some(({ message }) => message.includes('imap.maxBytes')))
})

test('a refused login and a missing folder are told apart from a lost connection', async (t) => {
  const wrong = await mailbox(t, { password: 'wrong' })
  await t.rejects(wrong.run().done, { code: 'auth', message: /imap\.password/ })
  t.match(await plugin.check?.(wrong.host.context), { ok: false, detail: /refused the login/ })
  t.notMatch(JSON.stringify(wrong.host.logs), /wrong/)
  const folder = await mailbox(t, { mailbox: 'Nowhere' })
  await t.rejects(folder.run().done, { code: 'config', message: /Nowhere/ })
  const lost = await mailbox(t)
  const reader = lost.run()
  await reader.ready
  lost.server.dropAll()
  await t.rejects(reader.done, { code: 'retryable' })
  await lost.server.close()
  await t.rejects(lost.run().done, { code: 'retryable', message: /ECONNREFUSED/ })
  await t.rejects(Promise.resolve(plugin.check?.(lost.host.context)), { code: 'retryable' })
  const back = await mailbox(t)
  t.match(await plugin.check?.(back.host.context), { ok: true })
})

test('without a password or token the reader says what to set', async (t) => {
  const { host, channel } = await instance({ imap: { host: '127.0.0.1', port: 1, user: 'x' } })
  await t.rejects(Promise.resolve(channel.connect?.(new AbortController().signal, () => undefined)), { code: 'config' })
  await t.rejects(Promise.resolve(plugin.check?.(host.context)), { code: 'config', message: /password or accessToken/ })
})

test('stopping while connecting and while idling ends the reader', async (t) => {
  const { server, run } = await mailbox(t)
  await run().stop()
  const reader = run()
  const idling = server.seen(/^IDLE/)
  await reader.ready
  await idling
  await reader.stop()
  t.pass('both returned')
})
