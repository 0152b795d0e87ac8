import { randomUUID } from 'node:crypto'
import { AgentClientError, signIn, ticketFrom } from '@throughline/plugin-sdk/agent-client'
import { test } from 'tap'
import { WebSocket } from 'ws'
import { startAgent, tokenFor } from './support/agent.js'
import { startEngineProcess, type EngineProcess, type TestWithTeardown } from './support/engine.js'
import { eventually } from './support/eventually.js'
import { freshDatabaseUrl } from './support/postgres.js'
import { openChat } from './support/visitor.js'

interface Frame {
  readonly t: string
  readonly re?: string
  readonly code?: string
  readonly position?: number
  readonly prev?: number
  readonly replayed?: boolean
  readonly d?: any
  readonly data?: any
}

/** A socket without the reference client's manners. */
interface RawSocket {
  readonly frames: readonly Frame[]
  readonly closed: Promise<number>
  send(data: string | Buffer): void
  command(type: string, data: unknown, id?: string): Promise<Frame>
  frame(what: string, fits: (frame: Frame) => boolean): Promise<Frame>
  cut(): void
}

function open(t: TestWithTeardown, engine: EngineProcess, headers: Record<string, string> = {}): Promise<RawSocket> {
  const socket = new WebSocket(`${engine.url.replace('http', 'ws')}/v1/agent/ws`, 'agent.v1.json', { headers })
  t.teardown(() => socket.terminate())
  const frames: Frame[] = []
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as Frame))
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  const frame = (what: string, fits: (one: Frame) => boolean) =>
    eventually(what, () => frames.find(fits), { tell: () => JSON.stringify(frames.slice(-5)) })
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('open', () =>
      resolve({
        frames,
        closed,
        send: (data) => socket.send(data),
        command(type, data, id = randomUUID()) {
          const from = frames.length
          socket.send(JSON.stringify({ t: type, id, d: data }))
          return eventually(`the answer to ${type}`, () => frames.slice(from).find((one) => one.re === id))
        },
        frame,
        cut: () => socket.terminate(),
      }),
    )
  })
}

async function live(t: TestWithTeardown, engine: EngineProcess, token: string, resume?: unknown): Promise<RawSocket> {
  const socket = await open(t, engine)
  socket.send(JSON.stringify({ t: 'hello', d: { ticket: await ticketFrom(engine.url, token), resume } }))
  await socket.frame('welcome', (one) => one.t === 'welcome')
  return socket
}

test('the agents’ socket', async (t) => {
  const engine = await startEngineProcess(t, { databaseUrl: await freshDatabaseUrl(t), env: { HOST: '127.0.0.1' } })
  const token = await tokenFor(engine)

  await t.test('without the subprotocol, or from a foreign origin, there is no upgrade', async (t) => {
    const refused = (protocol: string | undefined, headers: Record<string, string>) =>
      new Promise<number>((resolve) => {
        const socket = new WebSocket(`${engine.url.replace('http', 'ws')}/v1/agent/ws`, protocol, { headers })
        socket.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0))
        socket.on('error', () => undefined)
        socket.on('open', () => resolve(101))
      })
    t.equal(await refused(undefined, {}), 400)
    t.equal(await refused('agent.v1.json', { origin: 'https://evil.example' }), 403)
  })

  const first: readonly [name: string, frame: string | Buffer, code: number][] = [
    ['47 text that is no JSON', 'hello?', 4400],
    ['48 a binary frame', Buffer.from([1, 2, 3]), 4400],
    ['49 an array', '[]', 4400],
    ['49 a scalar', '"hello"', 4400],
    ['51 a command before hello', '{"t":"queue.stats","id":"1","d":{}}', 4400],
    ['66 a ticket nobody issued', `{"t":"hello","d":{"ticket":"${'x'.repeat(43)}"}}`, 4401],
    ['66 no ticket', '{"t":"hello","d":{}}', 4401],
    ['a first frame over 4 KB', `{"t":"hello","d":{"ticket":"${'x'.repeat(5000)}"}}`, 4413],
    ['10 a tower of brackets', '['.repeat(2000), 4400],
  ]
  for (const [name, frame, code] of first) {
    await t.test(`${name} closes with ${code}`, async (t) => {
      const socket = await open(t, engine)
      socket.send(frame)
      t.equal(await socket.closed, code)
    })
  }

  await t.test('51 no hello within 5 s closes with 4408', async (t) => {
    const socket = await open(t, engine)
    t.equal(await socket.closed, 4408)
  })

  await t.test('66 a ticket works once', async (t) => {
    const ticket = await ticketFrom(engine.url, token)
    const hello = JSON.stringify({ t: 'hello', d: { ticket } })
    const one = await open(t, engine)
    one.send(hello)
    await one.frame('welcome', (frame) => frame.t === 'welcome')
    const two = await open(t, engine)
    two.send(hello)
    t.equal(await two.closed, 4401)
  })

  await t.test('51 a second hello closes with 4429', async (t) => {
    const socket = await live(t, engine, token)
    socket.send('{"t":"hello","d":{}}')
    t.equal(await socket.closed, 4429)
  })

  await t.test('52 a frame over 64 KB closes the socket, and the engine goes on', async (t) => {
    const socket = await live(t, engine, token)
    socket.send(`{"t":"note.add","id":"1","d":{"text":"${'x'.repeat(70_000)}"}}`)
    t.equal(await socket.closed, 1009)
  })

  const refusals: readonly [name: string, type: string, data: unknown, code: string][] = [
    ['an unknown command', 'base', {}, 'TL_SOCKET_UNKNOWN_TYPE'],
    ['a command named like an object’s own', '__proto__', {}, 'TL_SOCKET_UNKNOWN_TYPE'],
    ['a missing field', 'conversation.get', {}, 'TL_COMMAND_INVALID'],
    ['a field nobody knows', 'queue.stats', { admin: true }, 'TL_COMMAND_INVALID'],
    ['60 an offer that is not there', 'offer.accept', { offerId: randomUUID() }, 'TL_COMMAND_NOT_FOUND'],
    [
      '61 a message to a conversation that is not there',
      'message.send',
      { conversation: randomUUID(), body: 'x' },
      'TL_COMMAND_NOT_FOUND',
    ],
    ['61 an empty message', 'message.send', { conversation: randomUUID(), body: '' }, 'TL_COMMAND_INVALID'],
    ['63 a state nobody knows', 'presence.set', { state: 'asleep' }, 'TL_COMMAND_INVALID'],
    ['an id that is no id', 'conversation.get', { conversation: "' or 1=1 --" }, 'TL_COMMAND_INVALID'],
    ['somebody else’s conversation', 'conversation.get', { conversation: randomUUID() }, 'TL_COMMAND_NOT_FOUND'],
  ]
  await t.test('what is refused gets an error frame with its code, and the socket stays', async (t) => {
    const socket = await live(t, engine, token)
    for (const [name, type, data, code] of refusals) {
      const answer = await socket.command(type, data)
      t.match(answer, { t: 'error', code }, name)
    }
    t.match(await socket.command('queue.stats', {}), { t: 'result' })
  })

  await t.test(
    '56 a command acts once however often it is sent, and says so; another body under its id is refused',
    async (t) => {
      const visitor = await openChat(engine.url)
      await visitor.say('once please')
      const socket = await live(t, engine, token)
      const list = await eventually('the conversation', async () => {
        const { data } = await socket.command('conversation.list', {})
        return (data as { items: { id: string }[] }).items[0]
      })
      const id = randomUUID()
      const note = { conversation: list.id, text: 'call back on Monday' }
      const answers = [await socket.command('note.add', note, id), await socket.command('note.add', note, id)]
      t.match(answers[0], { t: 'result' })
      t.match(answers[1], { t: 'result', replayed: true })
      t.match(await socket.command('note.add', { ...note, text: 'other' }, id), {
        code: 'TL_COMMAND_IDEMPOTENCY_MISMATCH',
      })
      const { data } = await socket.command('conversation.history', { conversation: list.id })
      const notes = (data as { items: { direction: string }[] }).items.filter((one) => one.direction === 'note')
      t.equal(notes.length, 1)
    },
  )

  await t.test('a message sent twice under one id over REST leaves once', async (t) => {
    const visitor = await openChat(engine.url)
    await visitor.say('and over REST')
    const call = async (path: string, init: RequestInit = {}) => {
      const response = await fetch(`${engine.url}${path}`, {
        ...init,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...init.headers },
      })
      return { status: response.status, body: (await response.json()) as any }
    }
    const found = await eventually('the conversation', async () => {
      const { items } = (await call('/v1/conversations')).body
      return items.find((one: { touchpoints: { thread: string }[] }) => one.touchpoints[0]?.thread === visitor.thread)
    })
    const send = () =>
      call(`/v1/conversations/${found.id}/messages`, {
        method: 'POST',
        headers: { 'idempotency-key': 'k-1' },
        body: '{"body":"answer"}',
      })
    const [one, two] = [await send(), await send()]
    t.equal(one.status, 202)
    t.strictSame(one.body, two.body)
    const { body } = await call(`/v1/conversations/${found.id}/messages`)
    t.equal(body.items.filter((message: { direction: string }) => message.direction === 'out').length, 1)
  })

  await t.test('F12 an agent whose line is cut again and again misses nothing and sees nothing twice', async (t) => {
    const agent = await startAgent(t, engine, { token })
    const visitor = await openChat(engine.url)
    let cursor: unknown
    const seen: number[] = []
    let prev = 0
    const rounds = 40
    for (let round = 0; round < rounds; round++) {
      const socket = await live(t, engine, token, cursor)
      const welcome = socket.frames.find((frame) => frame.t === 'welcome')!
      t.equal(welcome.d.mode, round === 0 ? 'fresh' : 'resumed')
      const start: number = welcome.d.position
      if (round === 0) prev = start
      await visitor.say(`line ${round}`)
      // Cut at a random moment: before, between or after the events of this message.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 60))
      socket.cut()
      for (const frame of socket.frames) {
        if (frame.position === undefined) continue
        if (frame.prev !== prev) t.fail(`a hole: ${frame.prev} after ${prev}`)
        prev = frame.position
        if (frame.t === 'message.inbound' && String(frame.d.text).startsWith('line '))
          seen.push(Number(String(frame.d.text).slice(5)))
      }
      cursor = { epoch: welcome.d.epoch, position: prev }
    }
    const last = await live(t, engine, token, cursor)
    await agent.event(
      'the last line',
      (event) => event.t === 'message.inbound' && event.d.text === `line ${rounds - 1}`,
    )
    await eventually('all lines', () => {
      const rest = last.frames
        .filter((frame) => frame.t === 'message.inbound')
        .map((frame) => Number(String(frame.d.text).slice(5)))
      return seen.length + rest.length >= rounds ? (seen.push(...rest), true) : undefined
    })
    t.strictSame(
      seen,
      Array.from({ length: rounds }, (_, i) => i),
    )
    const byClient = agent.events.filter((event) => event.t === 'message.inbound').map((event) => event.d.text)
    t.strictSame(
      byClient,
      Array.from({ length: rounds }, (_, i) => `line ${i}`),
    )
  })

  await t.test('F13 a cursor of another epoch or beyond the log is told to resync', async (t) => {
    for (const resume of [
      { epoch: randomUUID(), position: 1 },
      { epoch: 'x', position: 0 },
    ]) {
      const socket = await live(t, engine, token, resume)
      t.match(socket.frames.find((frame) => frame.t === 'welcome')?.d, { mode: 'resync' })
      await socket.frame('resync', (frame) => frame.t === 'resync')
    }
  })

  await t.test('P13 signing out ends the session’s sockets within 5 s and its token at once', async (t) => {
    const response = await fetch(`${engine.url}/v1/admin/plugins`, { headers: { authorization: `Bearer ${token}` } })
    t.equal(response.status, 200)
    const socket = await live(t, engine, token)
    const out = await fetch(`${engine.url}/v1/sessions/current`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${token}` },
    })
    t.equal(out.status, 204)
    t.equal(await socket.closed, 4499)
    await t.rejects(ticketFrom(engine.url, token), { code: 'TL_AUTH_UNAUTHENTICATED' })
  })

  await t.test('a wrong or used code and a wrong password are one and the same refusal', async (t) => {
    for (const credentials of [
      { code: engine.signInCode },
      { code: 'AAAA-BBBB-CCCC' },
      { email: 'ada@localhost.example', password: 'wrong password' },
      { email: 'nobody@example.com', password: 'wrong password' },
    ]) {
      await t.rejects(signIn(engine.url, credentials), AgentClientError)
    }
  })

  await t.test(
    'every route under /v1 refuses a caller without a token, apart from signing in and the API’s description',
    async (t) => {
      const api = (await (await fetch(`${engine.url}/v1/openapi.json`)).json()) as {
        paths: Record<string, Record<string, unknown>>
      }
      let routes = 0
      for (const [path, methods] of Object.entries(api.paths)) {
        for (const method of Object.keys(methods)) {
          if (path === '/v1/sessions' && method === 'post') continue
          const response = await fetch(engine.url + path.replaceAll(/\{\w+\}/g, '1'), { method: method.toUpperCase() })
          t.ok(response.status === 401 || response.status === 400, `${method} ${path}: ${response.status}`)
          routes += 1
        }
      }
      t.ok(routes > 12, `${routes} routes`)
    },
  )
})
