import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { createTransport } from 'nodemailer'
import { test } from 'tap'
import { clientFilter, parseListen } from '../src/clients.js'
import { superviseListener } from '../src/listener-supervisor.js'
import { instance, own, plain } from './support/mail.js'

type Test = { teardown(run: () => unknown): void }

/** A started instance that listens on a port of the system's choice, and a client for it. */
async function listening(t: Test, smtp: Readonly<Record<string, unknown>> = {}) {
  const { host, channel } = await instance({ smtp: { listen: '127.0.0.1:0', ...smtp } })
  await channel.start?.()
  t.teardown(() => channel.stop?.())
  const health = await channel.health?.()
  const port = Number(health?.detail?.split(':').at(-1))
  const client = createTransport({ host: '127.0.0.1', port, ignoreTLS: true, logger: false })
  t.teardown(() => client.close())
  const send = (raw: Buffer, to: string | readonly string[] = 'support@example.com', from = 'ann@example.org') =>
    client.sendMail({ envelope: { from, to: [to].flat() }, raw }).then(
      (info) => ({ code: Number(info.response?.slice(0, 3)), response: info.response ?? '' }),
      (error: { responseCode?: number; response?: string }) => ({
        code: error.responseCode ?? 0,
        response: error.response ?? '',
      }),
    )
  return { host, channel, port, send }
}

/** Speaks SMTP by hand: sends lines one at a time, answers the replies. */
async function dialogue(
  port: number,
  lines: readonly string[],
): Promise<{ readonly replies: string; readonly socket: Socket }> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  let replies = ''
  socket.on('data', (data) => (replies += data.toString()))
  const reply = async () => {
    const before = replies.length
    while (!/^\d{3} [^\n]*\n$/m.test(replies.slice(before)) && !socket.closed)
      await Promise.race([once(socket, 'data'), once(socket, 'close')])
  }
  await reply()
  for (const line of lines) {
    if (socket.closed) break
    socket.write(`${line}\r\n`)
    await reply()
  }
  return { replies, socket }
}

test('a mail sent over SMTP is stored as one message before it is acknowledged', async (t) => {
  const { host, send } = await listening(t)
  const { code } = await send(plain({}, 'Hello there'), 'support+tok_1@example.com')
  t.equal(code, 250)
  t.equal(host.accepted.length, 1)
  t.match(host.accepted[0], {
    type: 'message',
    thread: { id: 'ann@example.org' },
    sender: { id: 'ann@example.org', name: 'Ann', assurance: 'claimed' },
    messageId: 'm1@example.org',
    subject: 'Question',
    text: 'Hello there',
    replyToken: 'tok_1',
  })
})

test('the same mail sent again is acknowledged and stored once', async (t) => {
  const { host, send } = await listening(t)
  t.equal((await send(plain())).code, 250)
  t.equal((await send(plain())).code, 250)
  t.equal(host.accepted.length, 1)
})

test('while the store is away the sender is told to come back, and then it works', async (t) => {
  const { host, send } = await listening(t)
  host.refuseInbox(1)
  t.equal((await send(plain())).code, 451)
  t.equal(host.accepted.length, 0)
  t.equal((await send(plain())).code, 250)
  t.equal(host.accepted.length, 1)
})

test('it never relays: other recipients are refused', async (t) => {
  const { host, send } = await listening(t)
  for (const to of [
    'bob@example.org',
    'sales@example.com',
    'support@evil.example',
    'support%evil.example@example.net',
    'supporter@example.com',
  ])
    t.equal((await send(plain(), to)).code, 550, to)
  t.equal((await send(plain(), 'SUPPORT@Example.COM')).code, 250, 'case does not matter')
  t.equal(host.accepted.length, 1)
})

test('a mail over the size limit is refused, also when its size was not announced', async (t) => {
  const { host, send, port } = await listening(t, { maxBytes: 65_536 })
  t.equal((await send(plain({}, 'x'.repeat(70_000)))).code, 552)
  const { replies, socket } = await dialogue(port, [
    'EHLO me',
    'MAIL FROM:<ann@example.org>',
    'RCPT TO:<support@example.com>',
    'DATA',
    `Subject: x\r\n\r\n${'y'.repeat(900).concat('\r\n').repeat(100)}.`,
  ])
  t.match(replies, /^552 /m)
  socket.destroy()
  t.equal(host.accepted.length, 0)
})

test('what cannot be parsed is stored as it is and acknowledged', async (t) => {
  const { host, send } = await listening(t)
  const nested = Array.from(
    { length: 400 },
    (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`,
  ).join('')
  t.equal((await send(Buffer.from(`From: ann@example.org\r\n${nested}`))).code, 250)
  t.match(host.accepted, [{ type: 'unknown', note: 'mail that could not be parsed' }])
})

test('clients outside the allowed networks are turned away', async (t) => {
  const { host, port } = await listening(t, { allowedClients: ['10.0.0.0/8'] })
  const { replies, socket } = await dialogue(port, [])
  t.match(replies, /^554 /)
  socket.destroy()
  t.match(
    host.logs.filter(({ level }) => level === 'warn').map(({ message }) => message),
    ['connection refused: not in smtp.allowedClients'],
  )
})

test('login is not offered, and a client that vanishes in the middle stores nothing', async (t) => {
  const { host, port, send } = await listening(t)
  const { replies, socket } = await dialogue(port, [
    'EHLO me',
    'AUTH PLAIN AGEAYg==',
    'MAIL FROM:<a@b.example>',
    'RCPT TO:<support@example.com>',
    'DATA',
  ])
  t.notMatch(replies, /AUTH/)
  t.match(replies, /^500 /m)
  socket.write('Subject: half\r\n\r\nhalf of a')
  socket.destroy()
  await once(socket, 'close')
  t.equal((await send(plain())).code, 250, 'the listener lives on')
  t.equal(host.accepted.length, 1)
})

test('a mail under way is finished before stop returns', async (t) => {
  const { host, channel, send } = await listening(t)
  let release: () => void = () => undefined
  const gate = new Promise<void>((resolve) => (release = resolve))
  const { inbox } = host.context
  const accept = inbox.accept.bind(inbox)
  let entered: () => void = () => undefined
  const inside = new Promise<void>((resolve) => (entered = resolve))
  Object.assign(inbox, {
    accept: async (...args: Parameters<typeof accept>) => {
      entered()
      await gate
      return accept(...args)
    },
  })
  const sending = send(plain())
  await inside
  const stopping = channel.stop?.()
  release()
  await stopping
  t.equal((await sending).code, 250)
  t.equal(host.accepted.length, 1)
})

test('a port in use leaves the instance running, degraded and with advice', async (t) => {
  const blocker = createServer().listen(0, '127.0.0.1')
  await once(blocker, 'listening')
  t.teardown(() => blocker.close())
  const address = blocker.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  const { host, channel } = await instance({ smtp: { listen: `127.0.0.1:${port}` } })
  await channel.start?.()
  t.teardown(() => channel.stop?.())
  t.match(host.health.at(-1), {
    status: 'degraded',
    code: 'smtp_port_in_use',
    userAction: /Free 127\.0\.0\.1:\d+ or set another smtp\.listen/,
  })
  t.match(await channel.health?.(), { status: 'degraded', userAction: String })
})

test('when the port becomes free, the waiting node takes over', async (t) => {
  const blocker = createServer().listen(0, '127.0.0.1')
  await once(blocker, 'listening')
  const address = blocker.address()
  const listen = `127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}`
  const { host } = await instance({})
  const settings = { listen, maxBytes: 65_536, allowedClients: ['127.0.0.1'], secure: false }
  let healthy: () => void = () => undefined
  const recovered = new Promise<void>((resolve) => (healthy = resolve))
  const supervisor = superviseListener({
    settings,
    own,
    log: host.context.log,
    store: async () => undefined,
    setHealth: ({ status }) => status === 'ok' && healthy(),
    retryMs: 5,
  })
  await supervisor.start()
  t.teardown(() => supervisor.stop())
  t.equal(supervisor.address(), null)
  blocker.close()
  await recovered
  t.equal(supervisor.address(), listen)
})

test('settings it cannot listen with are refused by name', async (t) => {
  const start = async (smtp: Readonly<Record<string, unknown>>) => (await instance({ smtp })).channel.start?.()
  await t.rejects(start({ listen: 'nonsense' }), { code: 'config', message: /smtp\.listen/ })
  await t.rejects(start({ listen: '127.0.0.1:99999' }), { code: 'config', message: /smtp\.listen/ })
  await t.rejects(start({ listen: '192.0.2.1:0' }), { code: 'config', message: /no address of this host/ })
  await t.rejects(start({ allowedClients: ['10.0.0.0/99'] }), { code: 'config', message: /allowedClients/ })
  await t.rejects(start({ secure: true }), { code: 'config', message: /keyFile/ })
  await t.rejects(start({ keyFile: '/nonexistent', certFile: '/nonexistent' }), {
    code: 'config',
    message: /cannot be read/,
  })
})

test('networks are matched by prefix, over both families', async (t) => {
  const allowed = clientFilter(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32'])
  t.equal(allowed('10.1.2.3'), true)
  t.equal(allowed('::ffff:10.1.2.3'), true)
  t.equal(allowed('11.0.0.1'), false)
  t.equal(allowed('192.0.2.7'), true)
  t.equal(allowed('192.0.2.8'), false)
  t.equal(allowed('2001:db8::1'), true)
  t.equal(allowed('2001:db9::1'), false)
  t.equal(allowed('junk'), false)
  t.strictSame(parseListen('[::1]:25'), { host: '::1', port: 25 })
  t.strictSame(parseListen(':2525'), { host: '0.0.0.0', port: 2525 })
})
