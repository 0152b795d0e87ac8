import { WebSocket } from 'ws'
import { ticketFrom } from '@throughline/plugin-sdk/agent-client'
import { throughline } from '../src/support/cli.js'
import { eventually, pause } from '../src/support/eventually.js'
import { urlOf } from './database.js'
import type { Fault } from './fault.js'
import { armed, during, inWorld } from './nodes.js'
import { SECRET, startTraffic } from './traffic.js'

const poisonFile = new URL('./poison-channel.js', import.meta.url).pathname
const poison = { use: poisonFile, kind: 'messaging', config: { secret: SECRET } }

/** F12 to F21, F23: agents, networks, plugins, clocks. */
export const outsideFaults: readonly Fault[] = [
  {
    id: 'F12',
    what: 'agents’ sockets are cut at random bytes',
    how: 'proxy: every connection ends after 2,000 to 60,000 bytes; two agents, one of them answering',
    short: false,
    run: (server, { seconds }) =>
      inWorld(server, { id: 'F12' }, async (world, recoveries, broken) => {
        const watcher = await world.watcher()
        world.front.cutAfter(() => 2_000 + Math.floor(Math.random() * 58_000))
        world.front.cut()
        await pause(seconds * 1_000)
        world.front.cutAfter(null)
        world.front.cut()
        recoveries.push(await world.probe())
        await eventually('the other agent', () => watcher.states.at(-1) === 'live')
        if (world.desk.states.filter((state) => state === 'waiting').length < 3)
          broken.push('hardly any socket was cut')
        return world.desk.states.filter((state) => state === 'waiting').length
      }),
  },
  {
    id: 'F14',
    what: 'a console that does not read',
    how: 'a signed-in socket whose reading is paused under load; everybody else goes on',
    short: false,
    run: (server, { seconds }) =>
      inWorld(server, { id: 'F14' }, async (world, recoveries) => {
        const token = await world.token()
        const socket = new WebSocket(`${world.url.replace('http', 'ws')}/v1/agent/ws`, 'agent.v1.json')
        socket.on('error', () => undefined)
        world.scope.teardown(() => socket.terminate())
        await new Promise((resolve) => socket.once('open', resolve))
        const hello = { ticket: await ticketFrom(world.url, token), client: { name: 'slow', ver: '1' } }
        socket.send(JSON.stringify({ t: 'hello', d: hello }))
        socket.pause()
        await pause(Math.max(20, seconds) * 1_000)
        recoveries.push(await world.probe())
        return 1
      }),
  },
  {
    id: 'F15',
    what: 'the result of a command is lost',
    how: 'fail-point command.effect-done: the node dies after the effect, before the answer; the client sends the command again',
    short: false,
    run: (server, { seconds }) =>
      inWorld(server, { id: 'F15' }, (world, recoveries) =>
        during(seconds, async () => {
          await world.kill9(0)
          const node = await world.start(0, armed('command.effect-done=crash@3'))
          process.kill(node.pid, 'SIGUSR2')
          await node.ended
          const died = performance.now()
          await world.start(0)
          await world.probe()
          recoveries.push(performance.now() - died)
        }),
      ),
  },
  {
    id: 'F19',
    what: 'a network answers 429, 500, resets, hangs, or takes and says nothing',
    how: 'each in turn for a few seconds; meanwhile messages of the same and of other channels come in',
    short: false,
    run: (server, { seconds }) =>
      inWorld(server, { id: 'F19' }, (world, recoveries) =>
        during(Math.max(seconds, 10), async (n) => {
          const moods = [{ status: 429, retryAfter: 1 }, { status: 500 }, 'reset', 'hang', 'take-silently'] as const
          const mood = moods[n % moods.length] ?? 'reset'
          world.provider.mood = () => mood
          await pause(2_000)
          const inbound = await world.probe()
          world.provider.mood = () => 'take'
          recoveries.push(inbound)
        }),
      ),
  },
  {
    id: 'F20',
    what: 'a plugin ends the process',
    how: 'a parser that calls process.abort(), process.exit() and process.kill(), and throws: the bodies are parked, the engine lives',
    short: false,
    run: (server) => {
      const bodies = ['abort', 'exit', 'kill', 'throw']
      return inWorld(
        server,
        { id: 'F20', channels: { poison }, parkedOf: 'poison' },
        async (world, recoveries, broken) => {
          const node = world.nodes[0]
          const bad = startTraffic({ url: world.url, channel: 'poison', lanes: 0, paceMs: 0 })
          for (const text of bodies) {
            await bad.one(`please-${text}`)
            recoveries.push(await world.probe())
          }
          if (world.nodes[0] !== node || node === null) broken.push('the engine ended')
          return bodies.length
        },
      )
    },
  },
  {
    id: 'F21',
    what: 'a plugin keeps the event loop',
    how: 'a parser in an endless loop: the watchdog ends the process with TL_PLUGIN_BLOCKED, the next one runs without the instance until it is released',
    short: false,
    run: (server) =>
      inWorld(server, { id: 'F21', channels: { poison }, parkedOf: 'poison' }, async (world, recoveries, broken) => {
        const node = world.nodes[0]
        if (!node) return 0
        const began = performance.now()
        const bad = startTraffic({ url: world.url, channel: 'poison', lanes: 0, paceMs: 0 })
        void bad.one('loop')
        await eventually('the watchdog', () => world.nodes[0] !== node, {
          patienceMs: 60_000,
          tell: () => node.output(),
        })
        if (!node.output().includes('TL_PLUGIN_BLOCKED')) broken.push('the process ended without saying why')
        const next = await world.start(0)
        await world.probe()
        recoveries.push(performance.now() - began)
        const state = async (): Promise<string> => {
          const response = await fetch(`${world.url}/v1/admin/plugins`, {
            headers: { authorization: `Bearer ${await world.token()}` },
          })
          const { items } = (await response.json()) as { items: { id: string; state: string }[] }
          return items.find(({ id }) => id === 'poison')?.state ?? 'absent'
        }
        const found = await state()
        if (found !== 'quarantined') broken.push(`the guilty instance is ${found}`)
        // The network goes on sending the body; it must be dropped there before the instance runs again.
        await pause(3_000)
        if (world.nodes[0] !== next) broken.push('the body that did it took the next process down')
        const released = await throughline(['plugin', 'release', 'poison', '--config', node.workplace.configFile], {
          env: { DATABASE_URL: urlOf(server, world.database), PORT: '1' },
        })
        if (released.code !== 0) broken.push(`plugin release: ${released.stderr}`)
        bad.abandon()
        await eventually('the released instance', async () => (await state()) === 'running')
        return 1
      }),
  },
  {
    id: 'F23',
    what: 'the clock of one node is wrong',
    how: 'two nodes, one of them ten minutes ahead, then ten minutes behind; leases and expiries go by the database’s time',
    short: false,
    run: (server, { seconds }) =>
      inWorld(server, { id: 'F23', nodes: 2 }, async (world, recoveries) => {
        for (const minutes of [10, -10]) {
          await world.kill9(1)
          await world.start(1, { NODE_ENV: 'test', THROUGHLINE_CLOCK_OFFSET_MS: String(minutes * 60_000) })
          await pause((seconds * 1_000) / 2)
          recoveries.push(await world.probe())
        }
        return 2
      }),
  },
]
