import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import {
  AgentClientError,
  createAgentClient,
  type AgentClient,
  type AgentClientOptions,
  type AgentEvent,
} from '../src/agent-client.js'

interface Server {
  readonly url: string
  /** Frames of each connection, in order of connecting. */
  readonly connections: { readonly frames: any[]; readonly socket: WebSocket; send(frame: unknown): void }[]
  /** What a hello is answered with; default: resumed at the client's cursor, or fresh at 0. */
  welcome: (hello: any) => unknown
}

async function serve(t: Test): Promise<Server> {
  const http = createServer()
  const sockets = new WebSocketServer({ server: http, handleProtocols: () => 'agent.v1.json' })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    http.close()
  })
  const server: Server = {
    url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}`,
    connections: [],
    welcome: (hello) => ({
      t: 'welcome',
      d: {
        epoch: 'e',
        position: hello.d.resume?.position ?? 0,
        mode: hello.d.resume ? 'resumed' : 'fresh',
        hbMs: 15_000,
      },
    }),
  }
  sockets.on('connection', (socket) => {
    const connection = { frames: [] as any[], socket, send: (frame: unknown) => socket.send(JSON.stringify(frame)) }
    server.connections.push(connection)
    socket.on('message', (data: Buffer) => {
      const frame = JSON.parse(data.toString())
      connection.frames.push(frame)
      if (frame.t === 'hello') connection.send(server.welcome(frame))
    })
  })
  return server
}

function connect(t: Test, server: Server, more: Partial<AgentClientOptions> = {}) {
  const events: AgentEvent[] = []
  const states: string[] = []
  let tickets = 0
  const client: AgentClient = createAgentClient({
    url: server.url,
    ticket: () => Promise.resolve(`ticket-${++tickets}`),
    WebSocket: WebSocket,
    onEvent: (event) => events.push(event),
    onState: (state) => states.push(state),
    random: () => 0.01,
    ...more,
  })
  t.teardown(() => client.close())
  return { client, events, states }
}

async function until(done: () => boolean): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (done()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('it did not happen within 4 s')
}

const event = (position: number, prev: number) => ({ t: 'note.added', position, prev, ts: 1, d: { n: position } })

test('events are handed on once and in order, and a cut is resumed from the last of them', async (t) => {
  const server = await serve(t)
  const { client, events } = connect(t, server)
  await until(() => server.connections[0]?.frames[0]?.t === 'hello')
  t.strictSame(server.connections[0]!.frames[0].d, { ticket: 'ticket-1' })
  const first = server.connections[0]!
  first.send(event(3, 0))
  first.send(event(3, 0))
  first.send(event(7, 3))
  await until(() => events.length === 2)
  first.socket.terminate()
  await until(() => server.connections[1]?.frames[0]?.t === 'hello')
  t.strictSame(server.connections[1]!.frames[0].d, { ticket: 'ticket-2', resume: { epoch: 'e', position: 7 } })
  server.connections[1]!.send(event(7, 3))
  server.connections[1]!.send(event(9, 7))
  await until(() => events.length === 3)
  t.strictSame(
    events.map((one) => one.position),
    [3, 7, 9],
  )
  t.strictSame(client.cursor(), { epoch: 'e', position: 9 })
})

test('a hole in the chain asks for a replay and shows nothing behind it before', async (t) => {
  const server = await serve(t)
  const { events } = connect(t, server)
  await until(() => server.connections[0]?.frames.length === 1)
  const [line] = server.connections
  line!.send(event(1, 0))
  line!.send(event(5, 4))
  await until(() => line!.frames.some((frame) => frame.t === 'sync'))
  t.strictSame(line!.frames.find((frame) => frame.t === 'sync').d, { position: 1 })
  line!.send(event(4, 1))
  line!.send(event(5, 4))
  await until(() => events.length === 3)
  t.strictSame(
    events.map((one) => one.position),
    [1, 4, 5],
  )
})

test('an unanswered command is sent again with its id after a cut, in the order it was given', async (t) => {
  const server = await serve(t)
  const { client } = connect(t, server)
  await until(() => server.connections[0]?.frames.length === 1)
  const results = [
    client.send('note.add', { text: 'a' }, { id: 'one' }),
    client.send('note.add', { text: 'b' }, { id: 'two' }),
  ]
  await until(() => server.connections[0]!.frames.length === 3)
  server.connections[0]!.socket.terminate()
  await until(() => server.connections[1]?.frames.length === 3)
  t.strictSame(server.connections[1]!.frames.slice(1), server.connections[0]!.frames.slice(1))
  server.connections[1]!.send({ t: 'result', re: 'one', ok: true, data: { messageId: 'm' }, replayed: true })
  server.connections[1]!.send({ t: 'error', re: 'two', code: 'TL_COMMAND_CONFLICT', message: 'changed', current: 4 })
  t.strictSame(await results[0], { messageId: 'm' })
  await t.rejects(results[1]!, { code: 'TL_COMMAND_CONFLICT', details: { current: 4 } })
})

test('a command that came too fast waits as long as it was told, then goes again', async (t) => {
  const server = await serve(t)
  const { client } = connect(t, server)
  await until(() => server.connections[0]?.frames.length === 1)
  const result = client.send('queue.stats', {}, { id: 'q' })
  await until(() => server.connections[0]!.frames.length === 2)
  server.connections[0]!.send({
    t: 'error',
    re: 'q',
    code: 'TL_SOCKET_RATE_LIMITED',
    message: 'slow',
    retryAfterMs: 20,
  })
  await until(() => server.connections[0]!.frames.length === 3)
  server.connections[0]!.send({ t: 'result', re: 'q', ok: true, data: { queues: [] } })
  t.strictSame(await result, { queues: [] })
})

for (const code of [4400, 4403, 4499]) {
  test(`close code ${code} stops the client and fails what is unanswered`, async (t) => {
    const server = await serve(t)
    const { client, states } = connect(t, server)
    await until(() => server.connections[0]?.frames.length === 1)
    const result = client.send('queue.stats')
    await until(() => server.connections[0]!.frames.length === 2)
    server.connections[0]!.socket.close(code)
    await t.rejects(result, AgentClientError)
    await new Promise((resolve) => setTimeout(resolve, 50))
    t.equal(states.at(-1), 'stopped')
    t.equal(server.connections.length, 1, 'it does not come back')
  })
}

test('a backlog goes out no faster than the server takes it, in order, each command once', async (t) => {
  const server = await serve(t)
  const inflight = 8
  server.welcome = () => ({
    t: 'welcome',
    d: { epoch: 'e', position: 0, mode: 'fresh', hbMs: 15_000, limits: { rate: 1000, inflight } },
  })
  const { client } = connect(t, server)
  const numbers = Array.from({ length: 200 }, (_, n) => n)
  const all = Promise.all(numbers.map((n) => client.send('note.add', { n })))
  let most = 0
  let answered = 0
  const answering = setInterval(() => {
    const connection = server.connections[0]
    const commands = connection?.frames.filter((frame) => frame.t === 'note.add') ?? []
    most = Math.max(most, commands.length - answered)
    for (; answered < commands.length; answered++)
      connection?.send({ t: 'result', re: commands[answered].id, data: {} })
  }, 5)
  t.teardown(() => clearInterval(answering))
  await all
  t.ok(most <= inflight, `${most} under way at a time`)
  const sent = server.connections[0]?.frames.filter((frame) => frame.t === 'note.add').map((frame) => frame.d.n)
  t.same(sent, numbers)
})

test('on reconnect the new connection resumes before the old one is closed', async (t) => {
  const server = await serve(t)
  const { events } = connect(t, server)
  await until(() => server.connections[0]?.frames.length === 1)
  const [old] = server.connections
  old!.send(event(1, 0))
  old!.send({ t: 'reconnect', d: { afterMs: 0 } })
  await until(() => server.connections[1]?.frames.length === 1)
  t.strictSame(server.connections[1]!.frames[0].d.resume, { epoch: 'e', position: 1 })
  await until(() => old!.socket.readyState === WebSocket.CLOSED)
  server.connections[1]!.send(event(2, 1))
  await until(() => events.length === 2)
  t.equal(server.connections.length, 2)
})

test('what the old connection brings while the new one resumes is not shown again', async (t) => {
  const server = await serve(t)
  const { events, client } = connect(t, server)
  await until(() => server.connections[0]?.frames.length === 1)
  const [old] = server.connections
  old!.send(event(1, 0))
  await until(() => events.length === 1)
  const { welcome } = server
  let late: unknown
  server.welcome = (hello) => {
    late = welcome(hello)
    return { t: 'not yet' }
  }
  old!.send({ t: 'reconnect', d: { afterMs: 0 } })
  await until(() => late !== undefined)
  old!.send(event(2, 1))
  old!.send(event(3, 2))
  await until(() => events.length === 3)
  server.connections[1]!.send(late)
  for (const position of [2, 3, 4]) server.connections[1]!.send(event(position, position - 1))
  await until(() => events.length >= 4)
  t.strictSame(
    events.map((one) => one.position),
    [1, 2, 3, 4],
  )
  t.strictSame(client.cursor(), { epoch: 'e', position: 4 })
})

test('a resync is told to the caller and the cursor starts anew', async (t) => {
  const server = await serve(t)
  server.welcome = () => ({ t: 'welcome', d: { epoch: 'new', position: 50, mode: 'resync', hbMs: 15_000 } })
  const reasons: string[] = []
  const { client } = connect(t, server, {
    cursor: { epoch: 'old', position: 9 },
    onResync: (reason) => reasons.push(reason),
  })
  await until(() => server.connections[0]?.frames.length === 1)
  server.connections[0]!.send({ t: 'resync', d: { reason: 'epoch_changed' } })
  await until(() => reasons.length === 1)
  t.strictSame(client.cursor(), { epoch: 'new', position: 50 })
})

test('a property: whatever is cut, doubled or left out, every event arrives once and in order', async (t) => {
  const server = await serve(t)
  const log = Array.from({ length: 120 }, (_, i) => event(i + 1, i))
  const feed = (from: number, connection: Server['connections'][number]) => {
    for (const one of log.slice(from)) {
      const chance = (one.position * 7919 + server.connections.indexOf(connection) * 31) % 100
      if (chance < 8) continue
      connection.send(one)
      if (chance < 20) connection.send(one)
      if (chance > 95) return connection.socket.terminate()
    }
  }
  const { events } = connect(t, server)
  const served = new Set<unknown>()
  const answer = setInterval(() => {
    for (const connection of server.connections) {
      for (const frame of connection.frames) {
        if (served.has(frame)) continue
        served.add(frame)
        if (frame.t === 'hello') feed(frame.d.resume?.position ?? 0, connection)
        // A replay leaves nothing out.
        if (frame.t === 'sync') for (const one of log.slice(frame.d.position)) connection.send(one)
      }
    }
  }, 5)
  t.teardown(() => clearInterval(answer))
  await until(() => events.length === log.length)
  t.strictSame(
    events.map((one) => one.position),
    log.map((one) => one.position),
  )
  t.ok(server.connections.length > 1, 'the line was cut on the way')
})
