import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'

/** Ports for servers of data folders. Kubernetes has those above for services of its own. */
const FIRST = 20_000
const COUNT = 10_000
const TRIES = 100

/**
 * A port for the server of a data folder: the one it had, else one that its path leads to. Not one that the system gives to
 * whoever asks for any: between a stop and a start, or while a dead server is brought back, an outgoing connection of any
 * program could have taken it. Another program may still take the port before the server does.
 */
export async function portFor(folder: string, recorded: number | undefined): Promise<number> {
  if (recorded !== undefined && (await isFree(recorded))) return recorded
  const [lowest, highest] = await handedOut()
  const start = createHash('sha256').update(folder).digest().readUInt32BE() % COUNT
  for (let i = 0; i < TRIES; i++) {
    const port = FIRST + ((start + i) % COUNT)
    if ((port < lowest || port > highest) && (await isFree(port))) return port
  }
  return anyPort()
}

/** What the system takes the near ends of connections from. */
async function handedOut(): Promise<readonly [number, number]> {
  const text = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => '')
  const [lowest, highest] = text.split(/\s+/).map(Number)
  return lowest && highest ? [lowest, highest] : [32_768, 65_535]
}

function isFree(port: number): Promise<boolean> {
  return probe(port).then(
    () => true,
    () => false,
  )
}

/** A free port of the system's choice. */
export function anyPort(): Promise<number> {
  return probe(0)
}

function probe(wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(wanted, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('no port'))
        else resolve(address.port)
      })
    })
  })
}
