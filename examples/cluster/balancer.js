// A load balancer of one file, for trying things out: connections go in turn to the nodes whose /health/ready answers 200.
// It forwards bytes, so web sockets and event streams need nothing special. In production use what you have already.
import { get } from 'node:http'
import { connect, createServer } from 'node:net'

const CHECK_MS = 1_000
const PATIENCE_MS = 2_000

/**
 * @param {readonly { name: string, port: number }[]} nodes
 * @param {{ host: string, port: number, log(line: string): void }} options
 * @returns {Promise<{ port: number, healthy(): string[], close(): Promise<void> }>}
 */
export async function startBalancer(nodes, { host, port, log }) {
  const healthy = new Set()
  const open = new Set()
  let turn = 0

  const judge = (node, well) => {
    if (well === healthy.has(node)) return
    if (well) healthy.add(node)
    else healthy.delete(node)
    log(`${node.name} ${well ? 'takes connections' : 'is left out'}`)
  }
  const checks = nodes.map((node) => {
    let asking = false
    const ask = () => {
      if (asking) return
      asking = true
      const request = get({
        host: '127.0.0.1',
        port: node.port,
        path: '/health/ready',
        timeout: PATIENCE_MS,
        agent: false,
      })
      const answer = (well) => {
        asking = false
        judge(node, well)
      }
      request.once('response', (response) => {
        response.resume()
        answer(response.statusCode === 200)
      })
      request.once('timeout', () => request.destroy(new Error('no answer')))
      request.once('error', () => answer(false))
    }
    ask()
    return setInterval(ask, CHECK_MS)
  })

  // Nothing has been sent yet when a node refuses, so the next one may have the connection.
  const reach = (candidates, taken, refused) => {
    const [node, ...rest] = candidates
    if (node === undefined) return refused()
    const socket = connect(node.port, '127.0.0.1')
    const failed = () => {
      judge(node, false)
      reach(rest, taken, refused)
    }
    socket.once('error', failed)
    socket.once('connect', () => {
      socket.off('error', failed)
      taken(socket)
    })
  }

  const server = createServer({ pauseOnConnect: true }, (client) => {
    client.on('error', () => client.destroy())
    open.add(client)
    client.once('close', () => open.delete(client))
    const ready = nodes.filter((node) => healthy.has(node))
    turn += 1
    const inTurn = ready.map((_, i) => ready[(i + turn) % ready.length])
    reach(
      inTurn,
      (upstream) => {
        open.add(upstream)
        upstream.once('close', () => open.delete(upstream))
        // One side that breaks takes the other along; one that ends is answered to the end.
        upstream.on('error', () => client.destroy())
        client.once('close', () => upstream.destroy())
        upstream.once('close', () => client.end())
        client.pipe(upstream)
        upstream.pipe(client)
        client.resume()
      },
      () =>
        client.end(
          'HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\ncontent-length: 0\r\nconnection: close\r\n\r\n',
        ),
    )
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen({ host, port }, resolve))
  return {
    port: server.address().port,
    healthy: () => [...healthy].map((node) => node.name),
    async close() {
      for (const timer of checks) clearInterval(timer)
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}
