import { hkdfSync } from 'node:crypto'
import { hostname } from 'node:os'
import type { Clock, Logger } from '@throughline/plugin-sdk'
import { createAccounts } from './agents/accounts.js'
import { createAgents, type Agents } from './agents/agents.js'
import type { AgentAccounts } from './agents/contract.js'
import { createAnalytics } from './analytics/runner.js'
import { createCursorStore } from './analytics/cursor-store.js'
import { systemClock } from './clock.js'
import { createCalendars } from './calendars/calendar.js'
import type { Config } from './config/contract.js'
import { createConversations } from './conversations/conversation-service.js'
import { createThreadReader } from './conversations/thread-reader.js'
import { composeDrain } from './kernel-drain.js'
import { scheduleUpkeep } from './kernel-upkeep.js'
import { composeWebhooks, type WebhookParts } from './kernel-webhooks.js'
import { createContainer, token } from './di.js'
import { createBusWires, type FallbackWire } from './events/fallback-wire.js'
import { LogReader } from './events/reader.js'
import { readWatched } from './events/outbox-store.js'
import { Sequencer } from './events/sequencer.js'
import type { Heard } from './events/wire.js'
import { createHttp, type HttpServer } from './http/server.js'
import { createIds } from './ids.js'
import { createIdentity } from './identity/identity-service.js'
import { createAttachments } from './inbound/attachments.js'
import type { InboxService } from './inbound/contract.js'
import { lapseClaims } from './inbound/drain-store.js'
import { createInboxService } from './inbound/inbox-service.js'
import { createFreshRows } from './inbound/fresh-rows.js'
import { GroupCommitIngress } from './inbound/ingress.js'
import { createJobs } from './jobs/jobs.js'
import { ownProcess } from './jobs/process-mark.js'
import { createOutbound } from './outbound/outbound.js'
import { loadTemplates } from './outbound/templates.js'
import { createEgress } from './plugins/egress.js'
import { createFiles } from './plugins/files.js'
import { createFileRows } from './plugins/file-store.js'
import { createPluginHost, type SupervisedHost } from './plugins/host.js'
import { createHttp as createHttpClient } from './plugins/http-client.js'
import { createPluginMetrics } from './plugins/plugin-metrics.js'
import type { Watchdog } from './plugins/watchdog.js'
import { ping, readInstallation } from './store/installation-store.js'
import type { Store } from './store/store.js'
import { QueueNews } from './routing/queue-news.js'
import { createRouting } from './routing/routing.js'
import { openSla, type Sla } from './sla/sla.js'
import { createLiveRules } from './routing/rules/live-rules.js'

export interface KernelOptions {
  readonly config: Config
  readonly store: Store
  readonly log: Logger
  readonly release: string
  readonly clock?: Clock
  readonly watchdog?: Pick<Watchdog, 'mark' | 'knows'>
}

/** One running node. */
export interface Kernel {
  readonly url: string
  readonly accounts: AgentAccounts
  readonly inbox: InboxService
  readonly plugins: SupervisedHost
  stop(): Promise<void>
}

const LINK_TTL_MS = 7 * 24 * 3_600_000

const names = {
  sequencer: token<Sequencer>('sequencer'),
  reader: token<LogReader>('reader'),
  jobs: token<ReturnType<typeof createJobs>>('jobs'),
  host: token<SupervisedHost>('plugin host'),
  routing: token<ReturnType<typeof createRouting>>('routing'),
  queueNews: token<QueueNews>('queue news'),
  outbound: token<ReturnType<typeof createOutbound>>('outbound'),
  drain: token<ReturnType<typeof composeDrain>>('drain'),
  attachments: token<ReturnType<typeof createAttachments>>('attachments'),
  sla: token<Sla>('sla'),
  analytics: token<ReturnType<typeof createAnalytics>>('analytics'),
  webhooks: token<WebhookParts>('webhooks'),
  agents: token<Agents>('agents'),
  rules: token<{ stop(): Promise<void> }>('rules'),
  http: token<HttpServer>('http'),
}

/**
 * The composition root: the only file that knows everybody. Services are built in the order a message needs them and stopped
 * the other way round: first the doors, then the work in hand, last the log.
 */
export async function startKernel(options: KernelOptions): Promise<Kernel> {
  const { config, store, log } = options
  const { db } = store
  const clock = options.clock ?? systemClock
  const ids = createIds(clock)
  const node = ids()
  const { rootKey, shards } = await readInstallation(db)
  const works = config.roles.includes('worker')
  const replyKey = Buffer.from(hkdfSync('sha256', rootKey, '', 'reply-token', 32))
  const container = createContainer()
  const base = { db, log, clock, ids } as const

  try {
    // With a bus of its own an installation leaves PostgreSQL's LISTEN/NOTIFY alone, as long as the bus works.
    const hasBus = config.plugins.some((one) => one.id === 'bus')
    let wire: FallbackWire | undefined
    const wired = { db, url: store.url, node, log, host: () => container.get(names.host) }
    const overBus = (heard: Heard) => (wire = createBusWires(wired, heard))
    const reader = container.register(
      names.reader,
      () => new LogReader({ db, url: store.url, log, node, wire: hasBus ? overBus : undefined }),
      (service) => service.stop(),
    )
    await reader.start()
    const sequencer = container.register(
      names.sequencer,
      () => new Sequencer({ db, log, quiet: () => wire?.quiet === true, moved: (events) => reader.moved(events) }),
      (service) => service.stop(),
    )
    sequencer.start()
    const jobs = container.register(
      names.jobs,
      () =>
        createJobs({
          store,
          node: { id: node, host: hostname(), roles: config.roles, release: options.release, process: ownProcess() },
          log,
          onDead: async (nodes) => {
            await lapseClaims(db, nodes)
            await container.get(names.outbound).free(nodes)
          },
          onSilent: (nodes) => container.get(names.outbound).free(nodes),
        }),
      (service) => service.stop(),
    )

    const egress = createEgress({ allow: config.server.egressAllow ?? [] })
    const files = createFiles({
      rows: createFileRows(db),
      dir: config.files.dir,
      maxBytes: config.files.maxBytes,
      rootKey,
      publicUrl: config.server.publicUrl,
      clock,
    })
    const fileUrl = (key: string, name?: string) =>
      files.url(key, { ttlMs: LINK_TTL_MS, ...(name === undefined ? {} : { name }) })
    const metrics = createPluginMetrics()
    const kinds = new Map(config.channels.map((channel) => [channel.id, channel.kind]))
    const channelKind = (id: string) => kinds.get(id) ?? 'messaging'
    const watched = (id: string) => container.get(names.host).channel(id)?.live?.endpoints !== undefined
    const templates = await loadTemplates(config.templatesDir)
    const definitions = () => container.get(names.host).definitions()

    const calendars = createCalendars([
      ...config.calendars,
      // An agent's schedule is a calendar in the agent's time zone; no calendar can be called so.
      ...config.agents.flatMap(({ id, timeZone, schedule }) =>
        schedule ? [{ id: `agent:${id}`, timeZone, ...schedule }] : [],
      ),
    ])
    const rules = createLiveRules({ config, definitions, calendars, db, events: sequencer, clock, log })

    const fresh = works ? createFreshRows(() => performance.now()) : undefined
    const ingress = new GroupCommitIngress({
      db,
      log,
      clock,
      ids,
      shards,
      drainsHere: works,
      fresh,
      addJobs: (trx, list) => jobs.add(trx, list),
      claimBehind: works ? (touched) => container.get(names.drain).claimBehind(touched) : undefined,
      stored: (touched) => {
        if (works) container.get(names.drain).wake(touched)
      },
      typing: (channel, thread, on) => reader.publish('customer.typing', { channel, thread, on }),
    })
    const threads = createThreadReader({
      db,
      reader,
      readWatched: (watch, types, after, limit) => readWatched(db, watch, types, after, limit),
    })
    const host = container.register(
      names.host,
      () =>
        createPluginHost({
          config,
          db,
          log,
          clock,
          egress,
          files,
          metrics,
          rootKey,
          publicUrl: config.server.publicUrl,
          ingress,
          threads,
          periodic: jobs.periodic,
          rules,
          leases: jobs.leases,
          connects: works,
          watchdog: options.watchdog,
        }),
      (service) => service.stop(),
    )
    const routing = container.register(
      names.routing,
      () =>
        createRouting({
          ...base,
          config,
          events: sequencer,
          jobs,
          node,
          calendars,
          outbound: () => container.get(names.outbound),
          rules,
          publish: (topic, data) => reader.publish(topic, data),
          instances: () => host.routing(),
          factSources: () => host.factSources(),
        }),
      (service) => service.stop(),
    )
    const queueNews = container.register(
      names.queueNews,
      () => new QueueNews({ board: routing.board, watched: threads.watched, tell: threads.tell, log }),
      (service) => service.stop(),
    )
    const outbound = container.register(
      names.outbound,
      () =>
        createOutbound({
          store,
          ids,
          node,
          events: sequencer,
          jobs,
          plugins: host,
          hints: reader,
          templates,
          fileUrl,
          replyTokenKey: replyKey,
          log,
        }),
      (service) => service.stop(),
    )
    const attachments = container.register(
      names.attachments,
      () =>
        createAttachments({
          db,
          events: sequencer,
          log,
          files,
          channel: (id) => host.channel(id),
          http: createHttpClient({ egress, clock, signal: new AbortController().signal }),
          maxBytes: config.files.maxBytes,
        }),
      (service) => service.stop(),
    )
    const drain = container.register(
      names.drain,
      () =>
        composeDrain({
          ...base,
          node,
          events: sequencer,
          host,
          rules,
          routing,
          outbound,
          fresh,
          replyKey,
          channelKind,
          watched,
          attachmentsWait: () => attachments.wake(),
        }),
      (service) => service.stop(),
    )

    const accounts = createAccounts({ db, clock, ids, log, events: sequencer })
    const identity = createIdentity({
      db,
      ids,
      events: sequencer,
      openWork: (trx, torn) => routing.work.open(trx, torn),
    })
    const conversations = createConversations({
      db,
      ids,
      events: sequencer,
      fileUrl,
      endWork: (trx, conversation, context) => routing.work.end(trx, conversation, 'done', context),
      openWork: (trx, split) => routing.work.open(trx, split),
      joinWork: (trx, from, into, context) => routing.work.join(trx, from, into, context),
      wake: () => routing.work.wake(),
    })
    const inbox = createInboxService({
      ...base,
      shards,
      events: sequencer,
      addJobs: (trx, list) => jobs.add(trx, list),
      channel: (id) => host.channel(id),
      stored: (touched) => {
        if (works) drain.wake(touched)
      },
    })
    const sla = container.register(
      names.sla,
      () => openSla({ ...base, config, reader, events: sequencer, rules, calendars, routing }),
      (service) => service.stop(),
    )
    const analytics = container.register(
      names.analytics,
      () =>
        createAnalytics({
          instances: () => host.analytics(),
          reader,
          cursors: createCursorStore(db),
          leases: jobs.leases,
          rootKey,
          log,
        }),
      (service) => service.stop(),
    )
    const webhooks = container.register(
      names.webhooks,
      () => composeWebhooks({ ...base, config, reader, events: sequencer, egress, leases: jobs.leases, rootKey }),
      (service) => service.stop(),
    )
    const agents = container.register(names.agents, () =>
      createAgents({
        ...base,
        reader,
        events: sequencer,
        accounts,
        conversations,
        identity,
        outbound,
        work: routing.work,
        presence: routing.presence,
        supervision: routing.supervision,
        workforce: routing.workforce,
        sla,
      }),
    )
    const server = await createHttp({
      ...base,
      config,
      accounts,
      agents,
      identity,
      conversations,
      work: routing.work,
      presence: routing.presence,
      rules,
      replan: routing.replan,
      sla,
      inbox,
      ingress,
      reader,
      plugins: host,
      files,
      analytics,
      webhooks: webhooks.service,
      metrics: () => metrics.exposition(),
      ping: () => ping(db),
    })
    const http = container.register(
      names.http,
      () => server,
      (service) => service.close(),
    )

    jobs.task('drain', async (payload) => {
      if (typeof payload === 'number') await drain.drain(payload)
    })
    scheduleUpkeep({ db, jobs, sequencer, attachments, conversations, webhooks, accounts, agents })

    await accounts.syncFromConfig(config.agents)
    await jobs.start()
    wire?.follow()
    await host.start()
    container.register(
      names.rules,
      () => rules,
      (service) => service.stop(),
    )
    await rules.start()
    await routing.start()
    reader.subscribe((batch) => routing.heard(batch))
    queueNews.start()
    await sla.start()
    if (works) {
      drain.start()
      outbound.start()
    }
    analytics.start()
    if (works) await webhooks.start()
    const { url } = await http.listen()
    return {
      url,
      accounts,
      inbox,
      plugins: host,
      async stop() {
        for (const failure of await container.stop())
          log.warn({ err: failure }, 'a part of the engine did not stop cleanly')
        egress.close()
      },
    }
  } catch (error) {
    await container.stop()
    throw error
  }
}
