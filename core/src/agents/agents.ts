import type { Logger } from '@throughline/plugin-sdk'
import type { Kysely } from 'kysely'
import type { WebSocket } from 'ws'
import type { Clock } from '../clock.js'
import type { EventReader, EventWriter } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Tables } from '../store/tables.js'
import type { CommandDeps } from './command.js'
import { Connection, type ConnectionInfo } from './connection.js'
import type { Principal } from './contract.js'
import { pruneResults } from './dedupe-store.js'
import { closeCodes, limits } from './frames.js'
import { runCommand, type Call, type RunDeps } from './run-command.js'
import { wireOf } from './wire.js'

export interface AgentsDeps extends Omit<CommandDeps, 'transact' | 'reader'> {
  readonly db: Kysely<Tables>
  readonly reader: EventReader
  readonly events: EventWriter
  readonly log: Logger
  readonly clock: Clock
  readonly ids: Ids
}

/** The agents' side of one node: all sockets, fed by one reader of the log. */
export interface Agents {
  /** Takes a socket over. Must be called in the turn of the upgrade. */
  connect(socket: WebSocket, info: ConnectionInfo): void
  /** The same commands over REST. */
  run(principal: Principal, call: Call): Promise<{ readonly data: unknown; readonly replayed: boolean }>
  counts(): { readonly sockets: number; readonly agents: number }
  prune(): Promise<void>
  /** Tells every client to move on, then closes. */
  close(): Promise<void>
}

const TICK_MS = 1000
const RIGHTS_MS = 2000

export function createAgents(deps: AgentsDeps): Agents {
  const connections = new Set<Connection>()
  const commandDeps: RunDeps = {
    ...deps,
    async transact(run) {
      const result = await deps.db.transaction().execute(run)
      deps.events.poke()
      return result
    },
  }
  const ended = (connection: Connection) => void connections.delete(connection)

  const unsubscribe = deps.reader.subscribe((batch) => {
    if (connections.size === 0) return
    // Serialised once, however many sockets the node has.
    const wires = batch.map(wireOf)
    for (const connection of connections) connection.deliver(wires)
    if (batch.some((event) => event.type === 'perms.changed' || event.type === 'session.revoked')) void checkRights()
  })
  const ephemeral = ['customer.typing', 'agent.typing', 'agent.viewing', 'agent.presence'].map((topic) =>
    deps.reader.onEphemeral(topic, (data) => {
      for (const connection of connections) connection.tell(topic, data)
    }),
  )

  let checking = false
  /** P13: one query for all live sockets of the node; whoever lost a right, a session or the account is closed. */
  async function checkRights(): Promise<void> {
    if (checking || connections.size === 0) return
    checking = true
    try {
      const live = [...connections].filter((one) => one.principal !== null)
      const holding = await deps.accounts.currentAll(live.map((one) => one.principal!))
      for (const one of live) {
        if (!holding.has(one.principal!)) one.close(closeCodes.revoked, 'your rights have changed; sign in again')
      }
    } catch (error) {
      deps.log.warn({ err: error }, 'the rights of connected agents could not be checked; tried again in 2 s')
    } finally {
      checking = false
    }
  }

  let beats = 0
  const tick = setInterval(() => {
    const now = deps.clock.now()
    beats += 1
    for (const connection of connections) {
      connection.tick(now)
      if (beats % (limits.heartbeatMs / TICK_MS) === 0) connection.ping()
    }
  }, TICK_MS)
  const rights = setInterval(() => void checkRights(), RIGHTS_MS)

  return {
    connect(socket, info) {
      connections.add(new Connection(socket, info, { ...commandDeps, ...deps, ended }))
    },
    run: (principal, call) => runCommand(commandDeps, principal, call),
    counts: () => ({
      sockets: connections.size,
      agents: new Set([...connections].flatMap((one) => one.principal?.agent ?? [])).size,
    }),
    prune: () => pruneResults(deps.db),
    async close() {
      clearInterval(tick)
      clearInterval(rights)
      unsubscribe()
      for (const stop of ephemeral) stop()
      for (const connection of connections)
        connection.reconnect(Math.round(Math.random() * Math.min(5000, connections.size * 5)))
      const until = deps.clock.now() + Math.min(2000, 100 + connections.size * 10)
      while (connections.size > 0 && deps.clock.now() < until) await new Promise((resolve) => setTimeout(resolve, 25))
      for (const connection of [...connections]) connection.close(closeCodes.drain, 'this node stops; resume elsewhere')
    },
  }
}
