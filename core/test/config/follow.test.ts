import { test } from 'tap'
import type { AgentConfig, ConfigResult } from '../../src/config/contract.js'
import { followConfig } from '../../src/config/follow.js'
import { createLiveConfig } from '../../src/config/live.js'
import { loadConfig } from '../../src/config/load.js'

const base = `version: 1
teams: { support: {} }
queues: { support: { teams: [support] } }
defaultQueue: support
agents:
  ada: { name: Ada, email: ada@x.example, teams: [support] }
channels:
  shop: { use: channel-webchat, kind: webchat }
`

const load = (text: string): ConfigResult => loadConfig({ file: 'throughline.yaml', text, env: {}, cwd: '/' })

async function edit(text: string) {
  const first: ConfigResult = load(base)
  if (!first.ok) throw new Error(JSON.stringify(first.problems))
  const synced: (readonly AgentConfig[])[] = []
  const logged: { level: string; fields: any; message: string }[] = []
  const note = (level: string) => (fields: object, message: string) => void logged.push({ level, fields, message })
  const live = createLiveConfig(first.config, () => load(text))
  await followConfig({
    live,
    syncAgents: async (agents) => void synced.push(agents),
    log: { info: note('info'), warn: note('warn'), error: note('error') },
    cwd: '/',
  })
  return { synced, logged, live: live.current }
}

test('agents of an edited throughline.yaml are taken over at once', async (t) => {
  const { synced, logged } = await edit(
    `${base.replace('channels:', '  ben: { name: Ben, email: ben@x.example }\nchannels:')}`,
  )
  t.match(synced, [[{ id: 'ada' }, { id: 'ben' }]])
  t.match(logged, [{ level: 'info', fields: { agents: 2 } }])
})

test('what is built into the running engine is named as waiting for a restart', async (t) => {
  const { synced, logged } = await edit(
    base.replace('kind: webchat', 'kind: messaging').replace('[support] } }', '[support], strict: true } }'),
  )
  t.strictSame(synced, [])
  t.match(logged, [{ level: 'warn', fields: { sections: ['channels', 'queues'] }, message: /restart/ }])
})

test('lines that only moved are no change', async (t) => {
  const { logged } = await edit(`# a remark\n\n${base}`)
  t.strictSame(logged, [])
})

test('P14: a broken throughline.yaml changes nothing and is told with file, line and remedy', async (t) => {
  const { synced, logged, live } = await edit(
    base.replace('teams: [support] } }', 'teems: [support] } }').replace('Ada', 'Eda'),
  )
  t.strictSame(synced, [])
  t.equal(live.agents[0]?.name, 'Ada')
  t.match(logged, [{ level: 'error', fields: { code: /^TL_CONFIG_/, problems: [/:3:\d+.*teems/] } }])
})
