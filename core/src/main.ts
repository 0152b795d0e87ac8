import { readFileSync } from 'node:fs'
import { createAccounts } from './agents/accounts.js'
import { systemClock } from './clock.js'
import type { CommandServices, EngineOptions, RunningEngine } from './cli/engine-entry.js'
import type { Config } from './config/contract.js'
import { followConfig } from './config/follow.js'
import { createLiveConfig } from './config/live.js'
import { loadConfig } from './config/load.js'
import { problemLine } from './config/report.js'
import { Sequencer } from './events/sequencer.js'
import { ThroughlineError, type ErrorCode } from './errors.js'
import { createIds } from './ids.js'
import { createWebhookService } from './events/webhooks/webhook-service.js'
import { createWebhookStore } from './events/webhooks/webhook-store.js'
import { createInboxService } from './inbound/inbox-service.js'
import { addJobs } from './jobs/job-store.js'
import { startKernel } from './kernel.js'
import { createLog } from './log.js'
import { createHeldSends } from './outbound/held.js'
import { installCrashAttribution } from './plugins/crash.js'
import { keepPluginsFromEnding } from './plugins/no-exit.js'
import { liveStrikes, releaseInstance } from './plugins/quarantine-store.js'
import { startWatchdog } from './plugins/watchdog.js'
import { readInstallation } from './store/installation-store.js'
import { createReplan } from './routing/replan.js'
import { watchFiles } from './routing/rules/watch-files.js'
import { createSlaReader } from './sla/sla-reader.js'
import { createDecisionHistory } from './routing/rules/history-store.js'
import { decisionsOf } from './routing/settle-store.js'
import { migrate } from './store/migrate.js'
import { openStore } from './store/store.js'

export type { EngineOptions, RunningEngine, CommandServices } from './cli/engine-entry.js'

/** Version of this release, as package.json says it. */
export const release = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version

/** Starts one node and resolves when it is ready. Errors before that leave nothing running. */
export async function startEngine(options: EngineOptions): Promise<RunningEngine> {
  const config = configOf(options)
  const log = createLog({ level: config.log.level, pretty: config.log.pretty, secrets: config.secrets })
  const store = await openStore({
    url: config.database.url ?? undefined,
    dataDir: config.database.dataDir,
    log,
    poolSize: config.database.poolSize,
  })
  let end: (code: number) => void = () => undefined
  const done = new Promise<number>((resolve) => (end = resolve))
  const watchdog = startWatchdog({ databaseUrl: store.url, log })
  const allowExit = keepPluginsFromEnding()
  const unwatch = async (): Promise<void> => {
    allowExit()
    await watchdog.stop()
  }
  try {
    await migrate(store, log)
    const kernel = await startKernel({ config, store, log, release, watchdog })
    const undo = installCrashAttribution(kernel.plugins, log, {
      exit: (code) => {
        log.flush()
        end(code)
        setTimeout(() => process.exit(code), 100)
      },
    })
    await announce(config, kernel)
    const live = createLiveConfig(config, () => loadConfig(sourceOf(options)))
    const syncAgents = (agents: Config['agents']) => kernel.accounts.syncFromConfig(agents)
    const watch = watchFiles({
      files: [config.file],
      changed: () => followConfig({ live, syncAgents, log, cwd: process.cwd() }),
      log,
    })
    let stopped: Promise<void> | undefined
    return {
      done,
      stop: () =>
        (stopped ??= (async () => {
          log.info({}, 'stopping')
          await watch.stop()
          await kernel.stop()
          await store.close()
          undo()
          await unwatch()
          log.info({}, 'stopped')
          log.flush()
        })()),
    }
  } catch (error) {
    await store.close()
    await unwatch()
    throw error
  }
}

/** The database and what the command line needs of the engine; nothing listens. */
export async function openServices(options: EngineOptions): Promise<CommandServices> {
  const config = configOf(options)
  const log = createLog({ level: 'error', pretty: false, secrets: config.secrets })
  const store = await openStore({
    url: config.database.url ?? undefined,
    dataDir: config.database.dataDir,
    log,
    poolSize: 4,
  })
  try {
    await migrate(store, log)
    const { shards } = await readInstallation(store.db)
    const clock = systemClock
    const ids = createIds(clock)
    const sequencer = new Sequencer({ db: store.db, log, moved: () => undefined })
    return {
      accounts: createAccounts({ db: store.db, clock, ids, log, events: sequencer }),
      inbox: createInboxService({
        db: store.db,
        log,
        clock,
        shards,
        events: sequencer,
        addJobs,
        channel: null,
        stored: () => undefined,
      }),
      held: createHeldSends({ db: store.db, ids, events: sequencer, jobs: { add: addJobs } }),
      webhooks: createWebhookService({
        endpoints: config.webhooks ?? [],
        db: store.db,
        store: createWebhookStore(store.db),
        events: sequencer,
      }),
      sla: createSlaReader(store.db),
      quarantine: { list: () => liveStrikes(store.db), release: (instance) => releaseInstance(store.db, instance) },
      history: createDecisionHistory(store.db),
      decisions: (conversation) => decisionsOf(store.db, conversation),
      // The running nodes notice by themselves: their sweep looks at the queues every few seconds.
      replan: (rules) => createReplan({ db: store.db, events: sequencer, config, ids, rules, wake: () => undefined }),
      async close() {
        await sequencer.stop()
        await store.close()
      },
    }
  } catch (error) {
    await store.close()
    throw error
  }
}

function sourceOf(options: EngineOptions): Parameters<typeof loadConfig>[0] {
  return { file: options.configFile, env: options.env, cwd: process.cwd() }
}

function configOf(options: EngineOptions): Config {
  const result = loadConfig(sourceOf(options))
  if (result.ok) return result.config
  const first = result.problems.find((problem) => problem.severity === 'error') ?? result.problems[0]
  throw new ThroughlineError(
    (first?.code ?? 'TL_CONFIG_INVALID') as ErrorCode,
    first ? problemLine(first, process.cwd()) : 'the configuration is not valid',
  )
}

/** What a person who just started the engine wants to know, apart from the log's lines. */
async function announce(config: Config, kernel: Awaited<ReturnType<typeof startKernel>>): Promise<void> {
  const lines = ['', `ready  ${kernel.url}`]
  for (const surface of config.surfaces) lines.push(`  ${surface.id.padEnd(8)} ${kernel.url}${surface.mount}`)
  lines.push(`  api      ${kernel.url}/v1/openapi.json`)
  const first = config.agents[0]
  if (first !== undefined) {
    const code = await kernel.accounts.createSignInCode(first.id)
    lines.push(
      `  agent    npx throughline agent connect --code ${code}${config.server.port === 8080 ? '' : ` --url ${kernel.url}`}`,
      `           (signs ${first.name} in once, within 15 minutes)`,
    )
  }
  const trouble = kernel.plugins.statuses().filter((status) => status.state !== 'running')
  for (const status of trouble)
    lines.push(`  ${status.id}: ${status.state}${status.userAction ? `: ${status.userAction}` : ''}`)
  process.stdout.write(`${lines.join('\n')}\n\n`)
}
