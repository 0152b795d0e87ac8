import type { Logger } from '@throughline/plugin-sdk'
import type { EventReader, EventWriter } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Jobs } from '../jobs/contract.js'
import type { PluginHost } from '../plugins/contract.js'
import type { Store } from '../store/store.js'
import type { OutboundService } from './contract.js'
import { createHelp } from './help.js'
import { Deliverer, type DeliverLimits } from './deliver.js'
import { dueChannels, lapseSends } from './lane-store.js'
import { forgetThreads } from './limit-store.js'
import { cancelMessage, DELIVER_TASK, preview, queueMessage, retryMessage, type QueueDeps } from './queue.js'
import { applyReceipts, sweepEarly } from './receipts.js'
import { recoverLapsed } from './record.js'
import { sqlState } from './sql-state.js'
import type { Templates } from './templates.js'

export interface OutboundDeps {
  readonly store: Pick<Store, 'db'>
  readonly ids: Ids
  /** This engine process, as its claims name it. */
  readonly node: string
  readonly events: EventWriter
  readonly jobs: Pick<Jobs, 'add' | 'addNow' | 'task' | 'every'>
  readonly plugins: Pick<PluginHost, 'channel' | 'channels' | 'onChange'>
  /** Hints between nodes. */
  readonly hints: Pick<EventReader, 'publish' | 'onEphemeral'>
  readonly templates: Pick<Templates, 'render'>
  /** A link to a stored file for customers, good for as long as a message may wait. */
  readonly fileUrl: (key: string) => string
  /** Signs reply tokens; the same on every node. */
  readonly replyTokenKey: Uint8Array
  readonly log: Logger
  readonly random?: () => number
  readonly monotonic?: () => number
  readonly limits?: Partial<DeliverLimits>
}

export interface Outbound extends OutboundService {
  /** Delivers on this node from now on. Without it the node only queues. */
  start(): void
  stop(graceMs?: number): Promise<void>
  /** These nodes are dead: what they had in hand is settled at once, not at the end of its lease. */
  free(nodes: readonly string[]): Promise<void>
  /** Settles lapsed sends, applies early receipts, wakes lanes that no job reached. Every 5 s on one node. */
  sweep(): Promise<void>
}

const SWEEP_SECONDS = 5

/** Registers its task and its sweep with `jobs`: call it before they start. */
export function createOutbound(deps: OutboundDeps): Outbound {
  const { events, jobs, plugins } = deps
  const { db } = deps.store
  const watched = (channel: string): boolean => plugins.channel(channel)?.live?.endpoints !== undefined
  const recording = {
    db,
    ids: deps.ids,
    events,
    watched,
    fileUrl: deps.fileUrl,
    capabilities: (channel: string, thread: string) => plugins.channel(channel)?.capabilities(thread) ?? null,
    unloaded: () => plugins.channels().flatMap((one) => (one.capabilities('') === null ? one.id : [])),
  }
  const help = createHelp(deps.hints, (channel) => deliverer.wake(channel))
  const deliverer = new Deliverer({
    ...recording,
    plugins,
    node: deps.node,
    log: deps.log,
    replyTokenKey: deps.replyTokenKey,
    random: deps.random ?? Math.random,
    monotonic: deps.monotonic ?? (() => performance.now()),
    full: (channel) => help.ask(channel),
    ...(deps.limits ? { limits: deps.limits } : {}),
  })
  let delivers = false
  /** Channels written to inside a caller's transaction, whose `wake` is still to come. */
  const written = new Set<string>()
  const queueing: QueueDeps = {
    ...recording,
    plugins,
    jobs,
    deliversHere: (channel) => delivers && plugins.channel(channel)?.live != null,
    templates: deps.templates,
    written: (channel, committed) => (committed ? deliverer.wake(channel) : void written.add(channel)),
  }

  const sweep = async (): Promise<void> => {
    await recoverLapsed(recording)
    await sweepEarly({ db, events, watched })
    await forgetThreads(db)
    const due = await dueChannels(db)
    for (const channel of due) deliverer.wake(channel)
    // Another node may run an instance that this one does not.
    await jobs.addNow(due.map((channel) => ({ task: DELIVER_TASK, payload: { channel }, key: `deliver:${channel}` })))
  }

  let recovering: Promise<void> = Promise.resolve()
  const recover = async (): Promise<void> => {
    try {
      for (const channel of await recoverLapsed(recording)) deliverer.wake(channel)
    } catch (error) {
      // The sweep does it again in a few seconds.
      deps.log.warn({ code: sqlState(error) ?? 'unknown' }, 'sends of a dead node could not be settled yet')
    }
  }

  jobs.task(DELIVER_TASK, async (payload) => {
    const channel = (payload as { readonly channel?: unknown } | null)?.channel
    deliverer.wake(typeof channel === 'string' ? channel : undefined)
  })
  jobs.every('outbound-sweep', SWEEP_SECONDS, sweep)

  return Object.freeze({
    preview: (message) => preview(queueing, message),
    queue: (message, trx) => queueMessage(queueing, message, trx),
    retry: (messageId, actor, cause, within) => retryMessage(queueing, messageId, { actor, cause, within }),
    cancel: (messageId, actor, cause, within) => cancelMessage(queueing, messageId, { actor, cause, within }),
    wake() {
      // Two callers may share this hint and one of them commit later: its own wake then finds none and looks everywhere.
      if (written.size === 0) deliverer.wake()
      for (const channel of written) deliverer.wake(channel)
      written.clear()
    },
    applyReceipts: (trx, receipts) => applyReceipts(trx, receipts, watched),
    start() {
      delivers = true
      deliverer.start()
      // What the process before this one had in hand, freed before the plugins were there.
      recovering = recover()
    },
    async free(nodes) {
      if ((await lapseSends(db, nodes)) > 0 && delivers) await recover()
    },
    async stop(graceMs) {
      delivers = false
      help.stop()
      // At once: nothing more is claimed while the recovery of a dead node's sends ends.
      const stopped = deliverer.stop(graceMs)
      await recovering
      await stopped
    },
    sweep,
  } satisfies Outbound)
}
