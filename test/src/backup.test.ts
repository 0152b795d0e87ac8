import { join } from 'node:path'
import { createAgentClient, ticketFrom } from '@throughline/plugin-sdk/agent-client'
import tap, { test } from 'tap'
import { WebSocket } from 'ws'
import { startAgent, type AgentEvent } from './support/agent.js'
import { throughline } from './support/cli.js'
import { startEngineProcess } from './support/engine.js'
import { eventually } from './support/eventually.js'
import { makeWorkplace } from './support/workplace.js'
import { openChat } from './support/visitor.js'

tap.setTimeout(240_000)

test('a backup of a running engine comes back on another machine, and the agents’ clients start over', async (t) => {
  // Removed first: what is registered last runs first, and the engines end before their folders go.
  const first = await makeWorkplace()
  const second = await makeWorkplace()
  t.teardown(() => Promise.all([first.remove(), second.remove()]))
  const engine = await startEngineProcess(t, { workplace: first })
  const agent = await startAgent(t, engine)
  const reasons: string[] = []
  const live: AgentEvent[] = []
  const watching = createAgentClient({
    url: `${engine.url.replace(/^http/, 'ws')}/v1/agent/ws`,
    ticket: () => ticketFrom(engine.url, agent.token),
    WebSocket,
    onEvent: (event) => live.push(event),
    onResync: (reason) => {
      reasons.push(reason)
      void agent.get('/v1/agent/snapshot').then((snapshot) => watching.resynced(snapshot))
    },
  })
  t.teardown(() => watching.close())
  const visitor = await openChat(engine.url)
  await visitor.say('before the backup')
  const inbound = await agent.event('the message', (event) => event.t === 'message.inbound')

  const file = join(first.dir, 'backup.tar.gz')
  const env = { THROUGHLINE_CONFIG: first.configFile }
  const made = await throughline(['backup', file], { cwd: first.dir, env })
  t.equal(made.code, 0, made.stderr)
  t.match(made.stdout, /\d+ tables, \d+ rows, 0 files/)
  const checked = await throughline(['restore', file, '--check'], { cwd: first.dir, env })
  t.match(checked, { code: 0, stdout: /^whole: / })

  // Lost in the disaster: the backup does not know it, and neither may the agent after the restore.
  await visitor.say('after the backup')
  await agent.event('the second message', (event) => event.t === 'message.inbound' && event !== inbound)
  const refused = await throughline(['restore', file, '--yes'], { cwd: first.dir, env })
  t.equal(refused.code, 1)
  t.match(refused.stderr, /^throughline: An engine works on this database .* \(TL_BACKUP_ENGINE_RUNS\)/)
  t.match(await engine.term(), { code: 0 })
  const elsewhere = { THROUGHLINE_CONFIG: second.configFile }
  const restored = await throughline(['restore', file], { cwd: second.dir, env: elsewhere })
  t.equal(restored.code, 0, restored.stderr)
  const again = await throughline(['restore', file], { cwd: second.dir, env: elsewhere })
  t.match(again, { code: 1, stderr: /holds data already.*\(TL_BACKUP_TARGET\)/ }, 'a second time only with --yes')
  t.match(await throughline(['restore', file, '--yes'], { cwd: second.dir, env: elsewhere }), { code: 0 })

  // An agent's client only knows an address, which now leads to the restored engine.
  await startEngineProcess(t, { workplace: second, port: engine.port })
  await eventually('a resync of the client', () => reasons.length > 0, { patienceMs: 60_000 })
  t.same(reasons, ['epoch_changed'])
  const timeline = await agent.get(`/v1/conversations/${inbound.d.conversation}/messages`)
  t.match(JSON.stringify(timeline), 'before the backup')
  t.notMatch(JSON.stringify(timeline), 'after the backup')

  const seen = live.length
  await visitor.say('after the restore')
  await eventually('the new message at the agent', () =>
    live.slice(seen).find((event) => event.t === 'message.inbound' && event.d.conversation === inbound.d.conversation),
  )
})
