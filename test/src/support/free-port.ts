import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Below what the system hands out to outgoing connections, and below the ports of embedded servers. */
const FIRST = 10_000
const COUNT = 10_000
const TRIES = 50

/**
 * A TCP port of this host that nobody listens on now. Not one of the system's choice: until the engine listens, any outgoing
 * connection of a test beside this one could take it.
 */
export async function freePort(): Promise<number> {
  for (let i = 0; i < TRIES; i++) {
    const port = FIRST + randomInt(COUNT)
    if (await isFree(port)) return port
  }
  throw new Error(`none of ${TRIES} ports from ${FIRST} on is free`)
}

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
