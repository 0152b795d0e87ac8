import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import tap, { test } from 'tap'
import { startAgent } from './support/agent.js'
import { startEngineProcess } from './support/engine.js'
import { eventually } from './support/eventually.js'
import { startLoad } from './support/generator.js'
import { rowsOf } from './support/ledger.js'
import { freshDatabaseUrl } from './support/postgres.js'
import { signStandard } from './support/signatures.js'
import { configWith } from './support/workplace.js'

tap.setTimeout(240_000)
const secret = 'the-secret-of-the-api-channel'
const reason = process.platform === 'linux' ? false : 'ended processes are told from /proc'

test(
  'what a killed engine was sending goes on with its successor on this machine, whatever is left of its lease',
  { skip: reason },
  async (t) => {
    // The first request is never answered: the engine dies over it. Later ones are.
    const keys: string[] = []
    const server = createServer((request, response) => {
      request.resume()
      keys.push(String(request.headers['idempotency-key'] ?? request.headers['webhook-id']))
      if (keys.length > 1) response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      server.close()
      server.closeAllConnections()
    })
    const deliverUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/out`
    const databaseUrl = await freshDatabaseUrl(t)
    const config = configWith({
      channels: { api: { use: 'channel-http', kind: 'messaging', config: { secret, deliverUrl } } },
    })
    const first = await startEngineProcess(t, { config, databaseUrl })
    const agent = await startAgent(t, first)
    const event = { id: 'm1', type: 'message', thread: { id: 'room' }, sender: { id: 'ann' }, text: 'hello' }
    const url = `${first.url}/channels/api/webhook`
    const body = JSON.stringify({ events: [event] })
    await startLoad([[{ lane: 'room', id: 'm1', url, body, sign: (text) => signStandard(text, secret) }]], 1).done
    const inbound = await agent.event('the message', (one) => one.t === 'message.inbound')
    await agent.command('message.send', { conversation: inbound.d.conversation, body: 'one moment' })
    await eventually('the request of the first engine', () => keys.length === 1)
    await agent.close()
    await first.kill9()
    await rowsOf(
      databaseUrl,
      `update send set lease_until = clock_timestamp() + interval '1 day' where state = 'sending'`,
    )

    await startEngineProcess(t, { workplace: first.workplace, databaseUrl })
    await eventually('the end of the send', async () => {
      const [row] = await rowsOf<{ state: string }>(databaseUrl, 'select state from send')
      return row?.state === 'sent' || row?.state === 'delivered'
    })
    t.equal(keys.length, 2)
    t.ok(keys[0])
    t.equal(keys[1], keys[0], 'the same key: the receiver can drop the repetition')
  },
)
