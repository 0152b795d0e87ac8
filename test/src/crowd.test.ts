import { ticketFrom } from '@throughline/plugin-sdk/agent-client'
import tap, { test } from 'tap'
import { WebSocket } from 'ws'
import { tokenFor } from './support/agent.js'
import { startEngineProcess } from './support/engine.js'
import { within } from './support/eventually.js'
import { freshDatabaseUrl } from './support/postgres.js'

tap.setTimeout(120_000)

const opened = (socket: WebSocket): Promise<boolean> =>
  new Promise((resolve) => {
    socket.once('open', () => resolve(true))
    socket.once('error', () => resolve(false))
  })

test('a whole office may come back at once from one address; strangers who say nothing only hold the places they have', async (t) => {
  const engine = await startEngineProcess(t, { databaseUrl: await freshDatabaseUrl(t) })
  const address = `${engine.url.replace('http', 'ws')}/v1/agent/ws`
  const sockets: WebSocket[] = []
  const connect = (): WebSocket => {
    const socket = new WebSocket(address, 'agent.v1.json')
    socket.on('error', () => undefined)
    sockets.push(socket)
    return socket
  }
  t.teardown(() => sockets.forEach((socket) => socket.terminate()))

  const token = await tokenFor(engine)
  const tickets = await Promise.all(Array.from({ length: 60 }, () => ticketFrom(engine.url, token)))
  const welcomes = tickets.map(async (ticket) => {
    const socket = connect()
    if (!(await opened(socket))) return 'refused'
    const first = new Promise<string>((resolve) =>
      socket.once('message', (data: Buffer) => resolve(String((JSON.parse(data.toString()) as { t: unknown }).t))),
    )
    socket.send(JSON.stringify({ t: 'hello', d: { ticket } }))
    return first
  })
  t.same(
    await within(20_000, '60 welcomes', Promise.all(welcomes)),
    tickets.map(() => 'welcome'),
  )

  const mute = Array.from({ length: 20 }, () => connect())
  t.ok((await Promise.all(mute.map(opened))).every(Boolean), '20 may stand in the door')
  let in21 = false
  const next = opened(connect()).then((yes) => (in21 = yes))
  await new Promise((resolve) => setTimeout(resolve, 300))
  t.equal(in21, false, 'the next one waits')
  mute[0]?.terminate()
  t.equal(await within(10_000, 'the one in line', next), true)
})
