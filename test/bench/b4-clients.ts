import { createHash, randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'

/**
 * A thousand agents' sockets in a process of its own, on bare TCP, so that counting frames costs next to nothing. argv: port,
 * path, subprotocol or '-'. IPC: takes {tickets}, answers 'ready'; then {count} once `count` frames of interest have come
 * to every socket: {done, cpuS, frames}.
 */
const [port, path, protocol] = process.argv.slice(2) as [string, string, string]
const marks = [Buffer.from('{"t":"message.inbound"'), Buffer.from('{"t":"ping"')] as const
let frames = 0
let goal = Infinity
let ready = 0
let cpu = process.cpuUsage()

function clientFrame(text: string): Buffer {
  const payload = Buffer.from(text)
  const mask = randomBytes(4)
  const head =
    payload.length < 126
      ? Buffer.from([0x81, 0x80 | payload.length])
      : Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 0xff])
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ mask[i % 4]!)])
}

/** Opens one socket more. */
let next: (() => void) | undefined

function open(ticket: string | null, all: number): void {
  const socket = connect(Number(port), '127.0.0.1')
  socket.setNoDelay(true)
  const key = createHash('sha1').update(randomBytes(16)).digest('base64').slice(0, 22) + '=='
  const subprotocol = protocol === '-' ? '' : `sec-websocket-protocol: ${protocol}\r\n`
  socket.write(
    `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nupgrade: websocket\r\nconnection: upgrade\r\n` +
      `sec-websocket-version: 13\r\nsec-websocket-key: ${key}\r\n${subprotocol}\r\n`,
  )
  let pending: Buffer = Buffer.alloc(0)
  let upgraded = false
  const up = () => {
    ready += 1
    next?.()
    if (ready === all) process.send?.('ready')
  }
  socket.on('data', (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    if (!upgraded) {
      const end = pending.indexOf('\r\n\r\n')
      if (end < 0) return
      if (!pending.subarray(0, 12).toString().endsWith('101')) throw new Error(pending.subarray(0, end).toString())
      upgraded = true
      pending = pending.subarray(end + 4)
      if (ticket === null) up()
      else socket.write(clientFrame(JSON.stringify({ t: 'hello', d: { ticket } })))
    }
    pending = take(socket, pending, up)
    if (frames >= goal) finish()
  })
  socket.on('error', (error) => {
    throw error
  })
}

/** Counts the whole frames in the buffer; answers the rest. */
function take(socket: Socket, buffer: Buffer, up: () => void): Buffer {
  let at = 0
  for (;;) {
    if (buffer.length - at < 2) break
    let length = buffer[at + 1]! & 0x7f
    let head = 2
    if (length === 126) {
      if (buffer.length - at < 4) break
      length = buffer.readUInt16BE(at + 2)
      head = 4
    } else if (length === 127) {
      if (buffer.length - at < 10) break
      length = Number(buffer.readBigUInt64BE(at + 2))
      head = 10
    }
    if (buffer.length - at < head + length) break
    const start = at + head
    if (buffer.compare(marks[0], 0, marks[0].length, start, start + marks[0].length) === 0) frames += 1
    else if (buffer.compare(marks[1], 0, marks[1].length, start, start + marks[1].length) === 0)
      socket.write(clientFrame('{"t":"pong"}'))
    else if (buffer.toString('utf8', start, start + 14) === '{"t":"welcome"') up()
    at = start + length
  }
  return at === 0 ? buffer : buffer.subarray(at)
}

function finish(): void {
  goal = Infinity
  const used = process.cpuUsage(cpu)
  process.send?.({ done: performance.now(), cpuS: (used.user + used.system) / 1e6, frames })
}

process.on('message', (message: { tickets?: (string | null)[]; count?: number }) => {
  if (message.tickets) {
    const { tickets } = message
    const rest = [...tickets]
    next = () => {
      const ticket = rest.pop()
      if (ticket !== undefined) open(ticket, tickets.length)
    }
    // A few at a time: a door that is stormed keeps people out.
    for (let i = 0; i < 10; i++) next()
  }
  if (message.count !== undefined) {
    cpu = process.cpuUsage()
    goal = frames + message.count * ready
    process.send?.('counting')
  }
})
