// A process of its own that runs the embedded PostgreSQL as an engine does; tests kill it. Argument: the data folder.
// Prints one JSON line when ready. Ends by itself on SIGTERM, or when its standard input closes.
import { startEmbedded } from '../../src/store/embedded.js'
import { silentLog } from './cluster.js'

const server = await startEmbedded({ dataDir: process.argv[2] ?? '', log: silentLog, settings: { fsync: 'off' } })
process.stdout.write(`${JSON.stringify({ url: server.url, pid: server.pid(), joined: server.joined })}\n`)

const stop = (): void => {
  server.stop().then(
    () => process.exit(0),
    () => process.exit(1),
  )
}
process.once('SIGTERM', stop)
process.stdin.once('close', stop).resume()
