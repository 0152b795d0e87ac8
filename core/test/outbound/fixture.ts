import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { sql, type Transaction } from 'kysely'
import type { Capabilities, Channel, OutboundPart, Sent } from '@throughline/plugin-sdk'
import { ThroughlineError } from '../../src/errors.js'
import type { NewEvent } from '../../src/events/contract.js'
import type { NewJob } from '../../src/jobs/contract.js'
import type { OutgoingMessage } from '../../src/outbound/contract.js'
import type { DeliverLimits } from '../../src/outbound/deliver.js'
import { createOutbound, type Outbound } from '../../src/outbound/outbound.js'
import type { ChannelInstance, InstanceState, InstanceStatus } from '../../src/plugins/contract.js'
import type { Store } from '../../src/store/store.js'
import type { Tables } from '../../src/store/tables.js'

export const textChannel: Capabilities = {
  text: { maxLength: 1000, format: 'plain' },
  replyTo: 'full',
  receipts: 'read',
}

export type Behaviour = (
  part: OutboundPart,
  control: { readonly signal: AbortSignal; attempt: number },
) => Promise<Sent>

/** What a provider's own ledger would hold: every part that reached it, in order, and who was served side by side. */
export class Network {
  readonly received: OutboundPart[] = []
  readonly attempts: { readonly part: OutboundPart; readonly attempt: number }[] = []
  readonly overlaps: string[] = []
  readonly #busy = new Set<string>()
  #count = 0
  behave: Behaviour = async () => this.accept()

  accept(): Sent {
    this.#count += 1
    return { externalId: `net-${this.#count}` }
  }

  async send(part: OutboundPart, control: { signal: AbortSignal; attempt: number }): Promise<Sent> {
    this.attempts.push({ part, attempt: control.attempt })
    if (this.#busy.has(part.thread.id)) this.overlaps.push(part.thread.id)
    this.#busy.add(part.thread.id)
    try {
      const sent = await this.behave(part, control)
      this.received.push(part)
      return sent
    } finally {
      this.#busy.delete(part.thread.id)
    }
  }

  get texts(): string[] {
    return this.received.map((part) => part.text)
  }
}

export interface FakeChannel extends ChannelInstance {
  readonly network: Network
  readonly reports: string[]
  setLive(live: boolean): void
  setLoaded(): void
}

export interface TestNode {
  readonly id: string
  readonly outbound: Outbound
  readonly channels: ReadonlyMap<string, FakeChannel>
  readonly jobs: NewJob[]
  readonly logged: object[]
}

interface ChannelOptions {
  readonly network: Network
  readonly capabilities?: Capabilities
  readonly endpoints?: boolean
  /** Not running from the start: nothing is taken before the test says so. */
  readonly down?: boolean
  /** What the breaker of `send` says. */
  readonly heldFor?: () => number
  /** Its plugin is not there until `setLoaded`. */
  readonly unloaded?: boolean
}

interface NodeOptions {
  readonly channels?: Readonly<Record<string, ChannelOptions>>
  readonly limits?: Partial<DeliverLimits>
  readonly monotonic?: () => number
  readonly hints?: Parameters<typeof createOutbound>[0]['hints']
}

type Teardown = { teardown(fn: () => void | Promise<void>): void }

/** One engine node as far as sending goes; several share a store. Started, and stopped at teardown. */
export function startNode(t: Teardown, store: Store, options: NodeOptions): TestNode {
  const changed: ((status: InstanceStatus, previous: InstanceState) => void)[] = []
  const channels = new Map(
    Object.entries(options.channels ?? {}).map(([id, channel]) => [id, fakeChannel(id, channel, changed)] as const),
  )
  const jobs: NewJob[] = []
  const logged: object[] = []
  const note = (fields: object): void => void logged.push(fields)
  const id = randomUUID()
  const outbound = createOutbound({
    store,
    ids: randomUUID,
    node: id,
    events: {
      append: (trx, events) => insertEvents(trx, events),
      poke: () => undefined,
    },
    jobs: {
      add: async (_, added) => void jobs.push(...added),
      addNow: async (added) => void jobs.push(...added),
      task: () => undefined,
      every: () => async () => undefined,
    },
    plugins: {
      channel: (id) => channels.get(id) ?? null,
      channels: () => [...channels.values()],
      onChange: (listener) => {
        changed.push(listener)
        return () => undefined
      },
    },
    hints: options.hints ?? { publish: () => undefined, onEphemeral: () => () => undefined },
    templates: { render: (name, values) => `${name} for ${String(values['name'])}` },
    fileUrl: (key) => `https://files.example/${key}`,
    replyTokenKey: Buffer.alloc(32, 7),
    log: { debug: note, info: note, warn: note, error: note },
    random: () => 0.5,
    ...(options.limits ? { limits: options.limits } : {}),
    ...(options.monotonic ? { monotonic: options.monotonic } : {}),
  })
  outbound.start()
  t.teardown(() => outbound.stop(100))
  return { id, outbound, channels, jobs, logged }
}

async function insertEvents(trx: Transaction<Tables>, events: readonly NewEvent[]): Promise<void> {
  for (const event of events) {
    await trx
      .insertInto('outbox')
      .values({
        type: event.type,
        conversation_id: event.conversation ?? null,
        contact_id: event.contact ?? null,
        agent_id: null,
        watch: event.watch ?? null,
        actor_kind: event.actor.kind,
        actor_id: event.actor.id,
        cause: event.cause ?? null,
        data: JSON.stringify(event.data),
      })
      .execute()
  }
}

function fakeChannel(
  id: string,
  options: ChannelOptions,
  changed: readonly ((status: InstanceStatus, previous: InstanceState) => void)[],
): FakeChannel {
  const { network, capabilities = textChannel } = options
  const reports: string[] = []
  const working: Channel = {
    send: (part, control) => network.send(part, control),
    ...(options.endpoints ? { endpoints: {} } : {}),
  }
  let loaded = options.unloaded !== true
  let live = options.down !== true && loaded
  const status = (): InstanceStatus => ({
    id,
    kind: 'channel',
    use: 'fake',
    plugin: 'fake',
    version: '1.0.0',
    state: live ? 'running' : 'bad_credentials',
    since: 0,
    code: null,
    message: null,
    userAction: null,
    retryAt: null,
    required: false,
    signature: null,
  })
  const setLive = (now: boolean): void => {
    const previous = status().state
    live = now
    for (const tell of changed) tell(status(), previous)
  }
  return {
    id,
    use: 'fake',
    kind: 'messaging',
    def: null,
    network,
    reports,
    setLive,
    status,
    get live() {
      return live ? working : null
    },
    capabilities: () => (loaded ? capabilities : null),
    setLoaded() {
      loaded = true
      setLive(true)
    },
    heldFor: () => options.heldFor?.() ?? 0,
    async call(operation, timeoutMs, run) {
      if (!live) throw new ThroughlineError('TL_CHANNEL_UNAVAILABLE', `${id} is not running`)
      const limit = new AbortController()
      const over = delay(timeoutMs, undefined, { signal: limit.signal, ref: false }).then(() => {
        throw new ThroughlineError('TL_PLUGIN_TIMEOUT', `${operation} took too long`)
      })
      over.catch(() => undefined)
      try {
        return await Promise.race([run(working, limit.signal), over])
      } finally {
        limit.abort()
      }
    },
    report(code) {
      reports.push(code)
      setLive(false)
    },
  }
}

export interface Seeded {
  readonly conversation: string
  readonly contact: string
  readonly touchpoint: string
  readonly thread: string
}

/** A contact with a conversation on a channel whose last message came `agoMs` before now; null: never. */
export async function seed(
  store: Store,
  options: {
    readonly channel?: string
    readonly thread?: string
    readonly agoMs?: number | null
    readonly subject?: string
  } = {},
): Promise<Seeded> {
  const [conversation, contact, touchpoint] = [randomUUID(), randomUUID(), randomUUID()]
  const { channel = 'chat', thread = `thread-${conversation.slice(0, 8)}`, agoMs = 1000, subject = null } = options
  const ago = agoMs === null ? sql`null` : sql`clock_timestamp() - ${agoMs} * interval '1 millisecond'`
  await sql`insert into contact (id) values (${contact})`.execute(store.db)
  await sql`
    insert into conversation (id, contact_id, last_touchpoint, subject, waiting_since)
    values (${conversation}, ${contact}, ${touchpoint}, ${subject}, ${ago})`.execute(store.db)
  await sql`
    insert into touchpoint (id, conversation_id, contact_id, channel, thread, last_inbound_at)
    values (${touchpoint}, ${conversation}, ${contact}, ${channel}, ${thread}, ${ago})`.execute(store.db)
  if (agoMs !== null) {
    await sql`
      insert into message (id, conversation_id, touchpoint_id, channel, direction, author_kind, text, parts, external_id, provider_at)
      values (${randomUUID()}, ${conversation}, ${touchpoint}, ${channel}, 'in', 'customer', 'hi', '[]', ${`in-${touchpoint}`}, ${ago})`.execute(
      store.db,
    )
  }
  return { conversation, contact, touchpoint, thread }
}

export function say(where: Seeded, ...texts: string[]): OutgoingMessage {
  return {
    conversation: where.conversation,
    parts: texts.map((text) => ({ type: 'text', text })),
    author: { kind: 'agent', id: 'ada' },
    cause: 'cmd-1',
  }
}

export async function messageState(store: Store, id: string): Promise<string | null> {
  const row = await store.db.selectFrom('message').select('state').where('id', '=', id).executeTakeFirst()
  return row?.state ?? null
}

export async function sendsOf(store: Store, messageId: string) {
  return store.db.selectFrom('send').selectAll().where('message_id', '=', messageId).orderBy('seq').execute()
}

/** Types of the events about a message, in order, with the data of the last one. */
export async function eventsOf(store: Store, messageId: string): Promise<{ types: string[]; last: any; rows: any[] }> {
  const rows = await store.db.selectFrom('outbox').selectAll().orderBy('id').execute()
  const mine = rows.filter((row) => (row.data as { messageId?: string }).messageId === messageId)
  return { types: mine.map((row) => row.type), last: mine.at(-1)?.data, rows: mine }
}

/** Waits for a condition of the database or the network; the limit is only there to end a failing test. */
export async function until(condition: () => Promise<boolean> | boolean, what = 'the condition'): Promise<void> {
  const end = performance.now() + 20_000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`${what} did not come true`)
    await delay(10)
  }
}

export async function untilState(store: Store, messageId: string, ...states: string[]): Promise<void> {
  await until(async () => states.includes((await messageState(store, messageId)) ?? ''), `state ${states.join(' or ')}`)
}

/** Makes every waiting retry due now. */
export async function hurry(store: Store, node: TestNode): Promise<void> {
  await sql`update send set retry_at = clock_timestamp() where state = 'queued'`.execute(store.db)
  node.outbound.wake()
}

/** As if the time of every lease were over. */
export async function lapse(store: Store): Promise<void> {
  await sql`update send set lease_until = clock_timestamp() - interval '1 second' where state = 'sending'`.execute(
    store.db,
  )
}
