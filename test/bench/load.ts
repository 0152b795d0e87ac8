import { connect } from 'node:net'
import { signStandard } from '../src/support/signatures.js'

/**
 * The load generator, a process of its own: signed webhooks, built before the clock starts, over keep-alive connections with
 * one request under way on each. argv: port, channel, secret, first number, count, senders, connections. Speaks over IPC:
 * sends 'ready', starts on 'go', answers {done, failed, seconds, cpuS}.
 */
const [port, channel, secret, first, count, senders, connections] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string,
  string,
]

function request(number: number): Buffer {
  const sender = `customer-${number % Number(senders)}`
  const body = JSON.stringify({
    events: [
      {
        id: `m-${number}`,
        type: 'message',
        at: Date.now(),
        thread: { id: sender },
        sender: { id: sender, name: `Customer ${number % Number(senders)}` },
        text: `#${number} Where is my order? It should have been here on Tuesday.`,
      },
    ],
  })
  const headers = {
    host: 'localhost',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...signStandard(body, secret),
  }
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`POST /channels/${channel}/webhook HTTP/1.1\r\n${head.join('')}\r\n${body}`)
}

const requests = Array.from({ length: Number(count) }, (_, i) => request(Number(first) + i))
let next = 0
let done = 0
let failed = 0

process.on('message', () => {
  const started = performance.now()
  const cpu = process.cpuUsage()
  for (let i = 0; i < Number(connections); i++) {
    const socket = connect(Number(port), '127.0.0.1')
    socket.setNoDelay(true)
    let pending = ''
    const send = () => {
      if (next < requests.length) return void socket.write(requests[next++]!)
      socket.end()
      if (done + failed === requests.length) {
        const used = process.cpuUsage(cpu)
        process.send?.({
          done,
          failed,
          seconds: (performance.now() - started) / 1000,
          cpuS: (used.user + used.system) / 1e6,
        })
        setTimeout(() => process.exit(0), 50)
      }
    }
    socket.on('data', (chunk) => {
      pending += chunk.toString('latin1')
      // Head and body of the short answer come together; the length says when it is whole.
      const end = pending.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = Number(/content-length: (\d+)/i.exec(pending)?.[1] ?? 0)
      if (pending.length < end + 4 + length) return
      if (pending.startsWith('HTTP/1.1 2')) done += 1
      else failed += 1
      pending = ''
      send()
    })
    socket.on('error', () => (failed += 1))
    socket.on('connect', send)
  }
})
process.send?.('ready')
