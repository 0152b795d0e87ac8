import type {
  Analytics,
  Bus,
  Channel,
  ChannelDef,
  Identity,
  Kind,
  PluginDef,
  Routing,
  Surface,
} from '@throughline/plugin-sdk'
import type { ChannelConfig, Config, InstanceConfig } from '../config/contract.js'
import { validateInstance } from '../config/instance.js'
import type { Leases } from '../jobs/contract.js'
import { capabilityMismatches } from './capability-check.js'
import type { ContextDeps } from './context.js'
import type { ChannelInstance, Instance, InstanceState, InstanceStatus, PluginHost } from './contract.js'
import { factSources } from './fact-source.js'
import { defaultLimits, type SupervisorLimits } from './limits.js'
import { loadPlugin, type LoadedPlugin } from './loader.js'
import type { Validate } from './prepare.js'
import { createQuarantine } from './quarantine.js'
import { sweepState } from './state-store.js'
import { Supervisor, type SupervisorDeps } from './supervisor.js'
import type { Watchdog } from './watchdog.js'

export interface HostDeps extends ContextDeps {
  readonly config: Config
  readonly leases: Leases
  /** Does this node run connect() loops? Nodes of the role `worker` do. */
  readonly connects: boolean
  readonly random?: () => number
  readonly limits?: SupervisorLimits
  readonly watchdog?: Pick<Watchdog, 'mark' | 'knows'> | undefined
  readonly load?: (use: string) => Promise<LoadedPlugin>
  readonly validate?: Validate
}

/** For the kernel and for crash attribution, beside the contract. */
export interface SupervisedHost extends PluginHost {
  /** An error nobody caught, attributed to this instance: it is started again. */
  crashed(instance: string, error: unknown): void
  /** Instances whose plugin was loaded from a file in this stack trace. */
  blame(stack: string): readonly string[]
}

const sweepEveryMs = 600_000

/** Every plugin instance of the configuration under supervision. */
export function createPluginHost(deps: HostDeps): SupervisedHost {
  const { config } = deps
  const log = deps.log
  const listeners = new Set<(status: InstanceStatus, previous: InstanceState) => void>()
  const production = process.env['NODE_ENV'] === 'production'
  const shared: Omit<SupervisorDeps, 'instance' | 'kind' | 'mount'> = {
    load: deps.load ?? ((use) => loadPlugin(use, config.file)),
    validate:
      deps.validate ??
      ((def, instance) => {
        const plugin = { name: def.name, version: def.version, ...(def.docs === undefined ? {} : { docs: def.docs }) }
        return validateInstance(def.config, instance, { plugin, production })
      }),
    context: deps,
    leases: deps.leases,
    connects: deps.connects,
    secrets: config.secrets,
    log,
    random: deps.random ?? Math.random,
    limits: deps.limits ?? defaultLimits,
    mark: deps.watchdog?.mark,
    onChange(status, previous) {
      for (const listener of listeners) {
        try {
          listener(status, previous)
        } catch (error) {
          log.error({ instance: status.id, name: (error as Error).name }, 'a listener for changes of plugins failed')
        }
      }
    },
  }
  const supervise = <I extends object>(instance: InstanceConfig, kind: Kind | null, mount: string): Supervisor<I> =>
    new Supervisor<I>({ ...shared, instance, kind, mount })

  const channels = config.channels.map((it) =>
    channelInstance(it, supervise<Channel>(it, 'channel', `/channels/${it.id}`)),
  )
  const identity = config.identity.map((it) => supervise<Identity>(it, 'identity', ''))
  const routing = config.routing.map((it) => supervise<Routing>(it, 'routing', ''))
  const analytics = config.analytics.map((it) => supervise<Analytics>(it, 'analytics', ''))
  const surfaces = config.surfaces.map((it) => {
    const supervisor = supervise<Surface>(it, 'surface', it.mount)
    return { supervisor, instance: surfaceInstance(supervisor, it.mount) }
  })
  const busConfig = config.plugins.find((it) => it.id === 'bus')
  const bus = busConfig === undefined ? null : supervise<Bus>(busConfig, 'bus', '')
  const others = config.plugins.flatMap((it) => (it === busConfig ? [] : [supervise<object>(it, null, '')]))
  const channelById = new Map(channels.map((it) => [it.instance.id, it.instance]))
  const all: readonly Supervisor<object>[] = [
    ...channels.map((it) => it.supervisor),
    ...identity,
    ...routing,
    ...analytics,
    ...surfaces.map((it) => it.supervisor),
    ...(bus === null ? [] : [bus]),
    ...others,
  ]

  const configured = [
    config.channels,
    config.identity,
    config.routing,
    config.analytics,
    config.surfaces,
    config.plugins,
  ]
  const giveFacts = new Set(configured.flat().flatMap((it) => (it.facts === true ? [it.id] : [])))

  const warnAboutCapabilities = (): void => {
    for (const { supervisor, instance } of channels) {
      const capabilities = instance.capabilities('')
      if (supervisor.live === null || capabilities === null) continue
      for (const mismatch of capabilityMismatches(capabilities, supervisor.live)) {
        log.warn({ instance: supervisor.id, mismatch }, 'the plugin declares and implements different things')
      }
    }
  }

  const quarantine = createQuarantine({ db: deps.db, log, instances: all })
  let stopSweep: (() => Promise<void>) | undefined

  return Object.freeze({
    async start() {
      stopSweep = deps.periodic.every('plugin-state-sweep', sweepEveryMs, () => sweepState(deps.db))
      await quarantine.start()
      await Promise.all(all.map((it) => it.start()))
      for (const { id, file } of all) if (file !== null) deps.watchdog?.knows(id, file)
      warnAboutCapabilities()
    },
    async stop() {
      await stopSweep?.()
      await quarantine.stop()
      // Together, so that one that hangs costs its own limit and not everybody's; started in reverse order.
      await Promise.all([...all].reverse().map((it) => it.stop()))
    },
    statuses: () => all.map((it) => it.status()),
    channel: (id) => channelById.get(id) ?? null,
    channels: () => channels.map((it) => it.instance),
    identity: () => identity,
    routing: () => routing,
    analytics: () => analytics,
    surfaces: () => surfaces.map((it) => it.instance),
    bus: () => bus,
    definitions: () => {
      const unique = new Map<string, PluginDef>()
      for (const { def } of all) if (def && !unique.has(def.name)) unique.set(def.name, def)
      return [...unique.values()]
    },
    factSources: () => factSources(all, (id) => giveFacts.has(id)),
    onChange(changed) {
      listeners.add(changed)
      return () => void listeners.delete(changed)
    },
    crashed(instance, error) {
      all.find((it) => it.id === instance)?.crashed(error)
    },
    blame: (stack) => all.filter((it) => it.file !== null && stack.includes(it.file)).map((it) => it.id),
  } satisfies SupervisedHost)
}

function channelInstance(
  config: ChannelConfig,
  supervisor: Supervisor<Channel>,
): { readonly supervisor: Supervisor<Channel>; readonly instance: ChannelInstance } {
  const def = (): ChannelDef | null => supervisor.def as ChannelDef | null
  const instance: ChannelInstance = {
    ...forwarded(supervisor),
    get live() {
      return supervisor.live
    },
    kind: config.kind,
    get def() {
      return def()
    },
    capabilities(thread) {
      const declared = def()?.capabilities
      if (declared === undefined) return null
      if (typeof declared !== 'function') return declared
      try {
        const capabilities = declared({ id: thread })
        supervisor.cleared('capabilities')
        return capabilities
      } catch (error) {
        supervisor.degraded('capabilities', error)
        return null
      }
    },
    report: (code, message) => supervisor.report(code, message),
  }
  return { supervisor, instance: Object.freeze(instance) }
}

function surfaceInstance(
  supervisor: Supervisor<Surface>,
  mount: string,
): Instance<Surface> & { readonly mount: string } {
  return Object.freeze({
    ...forwarded(supervisor),
    get live() {
      return supervisor.live
    },
    mount,
  })
}

/** The plain part of an instance; `live` is a getter and stays with the caller. */
function forwarded<I extends object>(supervisor: Supervisor<I>): Omit<Instance<I>, 'live'> {
  return {
    id: supervisor.id,
    use: supervisor.use,
    status: () => supervisor.status(),
    call: (operation, timeoutMs, run) => supervisor.call(operation, timeoutMs, run),
    inside: (operation, run) => supervisor.inside(operation, run),
    heldFor: (operation) => supervisor.heldFor(operation),
  }
}
