import { setImmediate as turn } from 'node:timers/promises'
import { WebSocketServer } from 'ws'

/** The other side of B4: a bare `ws` server that sends each message to every socket. IPC: {port}, then on {count, text} it goes. */
const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
server.on('listening', () => process.send?.({ port: (server.address() as { port: number }).port }))
process.on('message', (message: { count: number; text: string }) => {
  void (async () => {
    for (let i = 0; i < message.count; i++) {
      for (const client of server.clients) client.send(message.text)
      // One message a turn of the event loop, or nothing would leave before the last was made.
      await turn()
    }
  })()
})
