import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/clock.js'
import type { ChannelConfig, Config, InstanceConfig } from '../../src/config/contract.js'
import { createLeaseStore } from '../../src/jobs/lease-store.js'
import { createLeases } from '../../src/jobs/leases.js'
import { createPeriodic } from '../../src/jobs/periodic.js'
import { createEgress } from '../../src/plugins/egress.js'
import { createFileRows } from '../../src/plugins/file-store.js'
import { createFiles } from '../../src/plugins/files.js'
import { createPluginHost, type HostDeps, type SupervisedHost } from '../../src/plugins/host.js'
import { createPluginMetrics } from '../../src/plugins/plugin-metrics.js'
import { readRootKey } from '../../src/plugins/root-key-store.js'
import { defaultLimits } from '../../src/plugins/limits.js'
import type { Store } from '../../src/store/store.js'

/** Sources of the fixtures; this file runs from dist. */
export const fixtures = fileURLToPath(new URL('../../../test/plugins/fixtures/', import.meta.url))
const file = join(fixtures, 'throughline.yaml')

export interface Line {
  readonly level: string
  readonly fields: Record<string, unknown>
  readonly message: string
}

export function recordingLog(): { lines: Line[]; log: HostDeps['log'] } {
  const lines: Line[] = []
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, fields: { ...fields }, message })
  return { lines, log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } }
}

export function channel(id: string, use: string, more: Partial<ChannelConfig> = {}): ChannelConfig {
  const position = { file: 'throughline.yaml', line: 8, column: 3 }
  return {
    id,
    use,
    kind: 'messaging',
    config: {},
    required: false,
    onFailure: 'retry',
    checkOnStart: false,
    allowIncompatible: false,
    position,
    positionOf: () => position,
    problems: [],
    ...more,
  }
}

export interface TestHost {
  readonly host: SupervisedHost
  readonly lines: Line[]
  readonly accepted: unknown[]
}

export interface TestHostOptions {
  readonly channels?: readonly ChannelConfig[]
  readonly plugins?: readonly InstanceConfig[]
  readonly routing?: readonly InstanceConfig[]
  readonly secrets?: ReadonlySet<string>
  readonly connects?: boolean
  readonly limits?: Partial<HostDeps['limits']>
  readonly random?: () => number
}

/** A host of one node over a real database; stopped at teardown. */
export async function testHost(
  t: { teardown(fn: () => void | Promise<void>): void },
  store: Store,
  options: TestHostOptions,
): Promise<TestHost> {
  const { lines, log } = recordingLog()
  const accepted: unknown[] = []
  const dir = await mkdtemp(join(tmpdir(), 'throughline-files-'))
  const rootKey = await readRootKey(store.db)
  const leases = createLeases({ store: createLeaseStore(store.db), node: randomUUID() })
  const periodic = createPeriodic({ leases, log })
  const host = createPluginHost({
    config: {
      file,
      channels: options.channels ?? [],
      identity: [],
      routing: options.routing ?? [],
      analytics: [],
      surfaces: [],
      plugins: options.plugins ?? [],
      secrets: options.secrets ?? new Set<string>(),
    } as unknown as Config,
    db: store.db,
    log,
    clock: systemClock,
    egress: createEgress({ allow: [] }),
    files: createFiles({
      rows: createFileRows(store.db),
      dir,
      maxBytes: 1e6,
      rootKey,
      publicUrl: 'http://t',
      clock: systemClock,
    }),
    metrics: createPluginMetrics(),
    rootKey,
    publicUrl: 'http://localhost:1',
    ingress: {
      accept: async (request) => {
        accepted.push(request)
        return { stored: request.events.length, duplicate: 0 }
      },
    },
    threads: { read: async () => [], watch: () => () => undefined },
    periodic,
    leases,
    connects: options.connects ?? true,
    random: options.random ?? (() => 0.02),
    limits: {
      ...defaultLimits,
      setup: 300,
      start: 300,
      stop: 300,
      connector: { standbyMs: 50, readyMs: 100, graceMs: 100 },
      ...options.limits,
    },
  })
  t.teardown(async () => {
    await host.stop()
    await periodic.stop()
    await rm(dir, { recursive: true, force: true })
  })
  return { host, lines, accepted }
}

/** Waits for a condition. The bound is no assertion: it turns a hang into a failure that names what was waited for. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 60_000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`this did not come true: ${String(condition)}`)
    await delay(10)
  }
}
