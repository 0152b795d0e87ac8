import type { Logger } from '@throughline/plugin-sdk'
import type { NodeIdentity, NodeStore } from './node-store.js'
import { codeOf } from './periodic.js'

const beatMs = 10_000
/** Silent longer than this is dead: with the beat and the poll, its jobs resume within 45 s (P4). */
const silentMs = 30_000

export interface NodeRegistryDeps {
  readonly store: NodeStore
  readonly node: NodeIdentity
  readonly log: Logger
  /** Has the process with this mark ended? */
  readonly ended: (process: string) => boolean
  /** These nodes are dead for sure: what they held is free. */
  readonly onDead: (nodes: readonly string[]) => Promise<void>
  /** These may only stand still. What has a fence is free; shards and leases have lapsed by themselves. */
  readonly onSilent: (nodes: readonly string[]) => Promise<void>
}

export interface NodeRegistry {
  start(): Promise<void>
  /** Records under which id this node's pool locks jobs; null: none. */
  setPool(poolId: string | null): void
  stop(): Promise<void>
}

/** Heartbeat of this node, and the reaper of the others. */
export function createNodeRegistry({ store, node, log, ended, onDead, onSilent }: NodeRegistryDeps): NodeRegistry {
  let pool: string | null = null
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let turn: Promise<void> = Promise.resolve()

  const beat = async (): Promise<void> => {
    try {
      await store.beat(node, pool)
      const dead = await store.reap(silentMs)
      if (dead !== null && dead.length > 0) {
        log.warn({ nodes: dead }, 'nodes went silent; their jobs were handed back')
        await onSilent(dead)
      }
      await bury()
    } catch (error) {
      log.warn({ code: codeOf(error) }, 'the heartbeat of this node failed')
    }
    if (!stopped) timer = setTimeout(next, beatMs)
  }
  // A killed process of this machine need not be waited for: its successor, or its neighbour, frees what it held at once.
  const bury = async (): Promise<void> => {
    const dead = await store.reapEnded(ended)
    if (dead.length === 0) return
    log.warn({ nodes: dead }, 'nodes of this machine have ended without a word; what they held is free again')
    await onDead(dead)
  }
  const next = (): void => {
    turn = beat()
  }
  return Object.freeze({
    async start() {
      await store.beat(node, pool)
      await bury()
      timer = setTimeout(next, beatMs)
    },
    setPool(poolId) {
      pool = poolId
      turn = turn.then(() => (stopped ? undefined : store.beat(node, pool))).catch(() => undefined)
    },
    async stop() {
      stopped = true
      clearTimeout(timer)
      await turn
      await store.stopped(node.id).catch(() => undefined)
    },
  } satisfies NodeRegistry)
}
