import { randomUUID } from 'node:crypto'
import type { InboundEvent, Logger } from '@throughline/plugin-sdk'
import { systemClock } from '../../src/clock.js'
import type { Config } from '../../src/config/contract.js'
import { applyMessages, type TimelineDeps } from '../../src/conversations/apply.js'
import { lockCandidatesOf, type ConversationRow } from '../../src/conversations/candidate-store.js'
import { defaultContinuity } from '../../src/conversations/place.js'
import { applyMessageChange } from '../../src/conversations/timeline-store.js'
import { LogReader } from '../../src/events/reader.js'
import { Sequencer } from '../../src/events/sequencer.js'
import { createIds } from '../../src/ids.js'
import { IdentityResolver, StaleBatch } from '../../src/identity/resolve.js'
import { resolvingKeys, type PreparedSender } from '../../src/identity/senders.js'
import { setConsent } from '../../src/identity/resolve-store.js'
import { joinContacts } from '../../src/identity/join.js'
import { Drain } from '../../src/inbound/drain.js'
import { GroupCommitIngress } from '../../src/inbound/ingress.js'
import type { Jobs, NewJob } from '../../src/jobs/contract.js'
import { matchChoice } from '../../src/outbound/choices.js'
import { createRouting } from '../../src/routing/routing.js'
import type { Store } from '../../src/store/store.js'

export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

export interface Pipeline {
  readonly ingress: GroupCommitIngress
  readonly drain: Drain<PreparedSender>
  readonly reader: LogReader
  readonly sequencer: Sequencer
  readonly jobs: NewJob[]
  accept(channel: string, events: readonly InboundEvent[]): Promise<{ stored: number; duplicate: number }>
  /** Waits until nothing is undrained (or parked lanes are all that is left). */
  drained(): Promise<void>
  stop(): Promise<void>
}

/** The way of a message from the door to the log, over a real database, without plugins, HTTP or jobs. */
export async function pipeline(
  store: Store,
  options: { readonly timeline?: Partial<TimelineDeps>; readonly log?: Logger; readonly shards?: number } = {},
): Promise<Pipeline> {
  const { db } = store
  const ids = createIds(systemClock)
  const log = options.log ?? silent
  const node = randomUUID()
  const jobs: NewJob[] = []
  const reader = new LogReader({ db, url: store.url, log, node })
  const sequencer = new Sequencer({ db, log, moved: () => reader.look() })
  const fakeJobs = {
    task: () => undefined,
    every: () => undefined,
    add: async (_trx: unknown, more: readonly NewJob[]) => void jobs.push(...more),
    addNow: async (more: readonly NewJob[]) => void jobs.push(...more),
  } as unknown as Jobs
  const config = {
    queues: [
      {
        id: 'support',
        name: 'support',
        teams: [],
        skills: {},
        calendar: null,
        offerSeconds: 20,
        overflow: null,
        maxWaitSeconds: null,
        strict: false,
      },
    ],
    defaultQueue: 'support',
    channels: [],
    agents: [],
  } as unknown as Config
  const routing = createRouting({
    db,
    config,
    events: sequencer,
    jobs: fakeJobs,
    clock: systemClock,
    ids,
    node,
    publish: () => undefined,
    instances: () => [],
    log,
  })
  const resolver = new IdentityResolver({
    db,
    events: sequencer,
    ids,
    log,
    plugins: () => [],
    join: (trx, from, into, evidence) =>
      joinContacts(trx, { ids, from, into, evidence, actor: { kind: 'system', id: null } }),
  })
  const timeline: TimelineDeps = {
    ids,
    continuity: defaultContinuity,
    channelKind: () => 'messaging',
    watched: () => false,
    openReplyToken: () => null,
    chosen: matchChoice,
    ...options.timeline,
  }
  const drain = new Drain<PreparedSender>({
    db,
    log,
    clock: systemClock,
    ids,
    node,
    identity: {
      prepare: (senders) => resolver.prepare(senders),
      resolve: (trx, senders) => resolver.resolve(trx, senders),
      consent: setConsent,
      suggest: (told) => resolver.suggest(told as never),
      isStale: (error) => error instanceof StaleBatch,
    },
    timeline: {
      foresee: (trx, senders) => lockCandidatesOf(trx, resolvingKeys(senders)),
      apply: (trx, messages, foreseen) =>
        applyMessages(trx, messages, timeline, foreseen as readonly ConversationRow[]),
      change: applyMessageChange,
    },
    router: routing.router,
    work: routing.work,
    outbound: { applyReceipts: async () => [] },
    events: sequencer,
    channelKind: () => 'messaging',
    watched: timeline.watched,
    vouches: (token, thread) => timeline.openReplyToken(token, thread) !== null,
    attachmentsWait: () => undefined,
    settle: () => undefined,
  })
  const ingress = new GroupCommitIngress({
    db,
    log,
    clock: systemClock,
    ids,
    shards: options.shards ?? 4,
    drainsHere: true,
    addJobs: fakeJobs.add,
    claimBehind: (shards) => drain.claimBehind(shards),
    stored: (shards) => drain.wake(shards),
    typing: () => undefined,
  })
  await reader.start()
  sequencer.start()
  return {
    ingress,
    drain,
    reader,
    sequencer,
    jobs,
    accept: (channel, events) => ingress.accept({ channel, events }),
    async drained() {
      for (let i = 0; i < 400; i++) {
        const { rows } = await store.pool.query<{ n: number }>('select count(*) as n from inbox_waiting')
        const { rows: out } = await store.pool.query<{ n: number }>('select count(*) as n from outbox')
        const { rows: head } = await store.pool.query<{ position: number }>('select position from event_head')
        if (rows[0]!.n === 0 && out[0]!.n === 0 && reader.head() === head[0]!.position) return
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
      throw new Error('the inbox was not drained within 10 s')
    },
    async stop() {
      await drain.stop()
      await routing.stop()
      await sequencer.stop()
      await reader.stop()
    },
  }
}

let counter = 0
/** A text message of `sender` on its own thread. */
export function message(
  sender: string,
  text: string,
  more: Partial<Extract<InboundEvent, { type: 'message' }>> = {},
): InboundEvent {
  return {
    id: `m${++counter}`,
    at: Date.now(),
    type: 'message',
    thread: { id: sender },
    sender: { id: sender },
    text,
    ...more,
  }
}
