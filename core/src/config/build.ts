import { dirname, join, resolve } from 'node:path'
import type {
  AgentConfig,
  AgentRole,
  CalendarConfig,
  ChannelConfig,
  ChannelKind,
  Config,
  ConfigProblem,
  InstanceConfig,
  NodeRole,
  QueueConfig,
  StatusConfig,
  SurfaceConfig,
  WebhookConfig,
  WorkforceConfig,
} from './contract.js'
import { dottedPath, joinPointer } from './pointer.js'
import type { InstanceSection } from './problem.js'
import { entriesOf, isRecord, member, textOf } from './raw.js'
import type { Source } from './source.js'

export interface BuildInput {
  /** Checked data with defaults filled in; entries of plugin instances may still be at fault. */
  readonly data: unknown
  readonly file: string
  readonly cwd: string
  readonly source: Source
  readonly substituted: ReadonlySet<string>
  readonly problems: readonly ConfigProblem[]
  readonly secrets: ReadonlySet<string>
}

/** The shapes the schema guarantees for everything outside plugin instances. */
interface RootData {
  readonly server: Config['server']
  readonly database: { readonly url: string; readonly dataDir: string; readonly poolSize: number }
  readonly files: Config['files']
  readonly roles: readonly NodeRole[]
  readonly log: Config['log']
  readonly defaultQueue?: string
  readonly skills: readonly string[]
  readonly queues: Readonly<Record<string, Omit<QueueConfig, 'id' | 'name'> & { name?: string }>>
  readonly teams: Readonly<Record<string, { name?: string; calendar?: string | null }>>
  readonly statuses: Readonly<Record<string, Omit<StatusConfig, 'id' | 'name'> & { name?: string }>>
  readonly workforce: WorkforceConfig
  readonly agents: Readonly<Record<string, Omit<AgentConfig, 'id' | 'name'> & { name?: string; role: AgentRole }>>
  readonly calendars: Readonly<Record<string, Omit<CalendarConfig, 'id'>>>
  readonly webhooks: Readonly<Record<string, Omit<WebhookConfig, 'id'>>>
}

export function buildConfig(input: BuildInput): Config {
  const root = input.data as RootData
  const folder = dirname(input.file)
  const instances = (section: InstanceSection): InstanceConfig[] =>
    entriesOf(member(root, section)).map(([id, entry]) =>
      buildInstance(input, joinPointer(`/${section}`, id), id, entry),
    )
  const bus = member(root, 'bus')
  const queues = Object.entries(root.queues).map(([id, queue]) => ({ ...queue, id, name: queue.name ?? id }))
  // Without any queue a message would have nowhere to wait: one that everybody serves.
  if (queues.length === 0) queues.push(fallbackQueue)
  const extra: readonly InstanceSection[] = ['assistants', 'context', 'knowledge', 'notifiers', 'storage']

  return deepFreeze({
    file: input.file,
    version: 1 as const,
    server: { ...root.server, publicUrl: publicUrl(root.server) },
    database: {
      url: root.database.url === '' ? null : root.database.url,
      dataDir: resolve(input.cwd, root.database.dataDir),
      poolSize: root.database.poolSize,
    },
    files: { dir: resolve(input.cwd, root.files.dir), maxBytes: root.files.maxBytes },
    roles: root.roles,
    log: root.log,
    channels: entriesOf(member(root, 'channels')).map(([id, entry]) => buildChannel(input, id, entry)),
    identity: instances('identity'),
    routing: instances('routing'),
    analytics: instances('analytics'),
    webhooks: Object.entries(root.webhooks).map(([id, webhook]) => ({ ...webhook, id })),
    surfaces: entriesOf(member(root, 'surfaces')).map(([id, entry]) => buildSurface(input, id, entry)),
    plugins: [
      ...extra.flatMap((section) => instances(section)),
      ...(bus === undefined ? [] : [buildInstance(input, '/bus', 'bus', bus)]),
    ],
    queues,
    defaultQueue: root.defaultQueue ?? queues[0]?.id ?? fallbackQueue.id,
    teams: Object.entries(root.teams).map(([id, team]) => ({
      id,
      name: team.name ?? id,
      calendar: team.calendar ?? null,
    })),
    skills: root.skills,
    agents: Object.entries(root.agents).map(([id, agent]) => ({ ...agent, id, name: agent.name ?? id })),
    calendars: Object.entries(root.calendars).map(([id, calendar]) => ({ ...calendar, id })),
    statuses: Object.entries(root.statuses).map(([id, status]) => ({ ...status, id, name: status.name ?? id })),
    workforce: root.workforce,
    rulesDir: join(folder, 'rules'),
    templatesDir: join(folder, 'templates'),
    secrets: input.secrets,
  })
}

const fallbackQueue: QueueConfig = {
  id: 'default',
  name: 'Default',
  teams: [],
  skills: {},
  calendar: null,
  offerSeconds: 30,
  overflow: null,
  maxWaitSeconds: null,
  strict: false,
  wrapUpSeconds: 0,
  offer: 'one',
  broadcastTo: 5,
  interruptible: [],
}

function publicUrl(server: Config['server']): string {
  return server.publicUrl === '' ? `http://localhost:${server.port}` : server.publicUrl.replace(/\/+$/, '')
}

/** Entries at fault are built all the same: they are shown as `invalid_config` with what is known of them. */
function buildInstance(input: BuildInput, pointer: string, id: string, entry: unknown): InstanceConfig {
  const { source } = input
  const inside = `${pointer}/config`
  const config = member(entry, 'config')
  const path = dottedPath(pointer)
  const substituted = [...input.substituted].filter((item) => item.startsWith(`${inside}/`))
  return {
    id,
    use: textOf(member(entry, 'use')) ?? '',
    config: isRecord(config) ? config : {},
    required: member(entry, 'required') === true,
    onFailure: member(entry, 'onFailure') === 'disable' ? 'disable' : 'retry',
    checkOnStart: member(entry, 'checkOnStart') === true,
    allowIncompatible: member(entry, 'allowIncompatible') === true,
    facts: member(entry, 'facts') === true,
    position: source.keyAt(pointer),
    path,
    positionOf: (inner) => source.valueAt(`${inside}${inner}`),
    keyPositionOf: (inner) => source.keyAt(`${inside}${inner}`),
    substituted: new Set(substituted.map((item) => item.slice(inside.length))),
    problems: input.problems.filter(
      (item) => item.severity === 'error' && item.instance === id && item.path.startsWith(path),
    ),
  }
}

function buildChannel(input: BuildInput, id: string, entry: unknown): ChannelConfig {
  const kind = textOf(member(entry, 'kind')) ?? 'messaging'
  return { ...buildInstance(input, joinPointer('/channels', id), id, entry), kind: kind as ChannelKind }
}

function buildSurface(input: BuildInput, id: string, entry: unknown): SurfaceConfig {
  const mount = textOf(member(entry, 'mount')) ?? ''
  return { ...buildInstance(input, joinPointer('/surfaces', id), id, entry), mount }
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || value instanceof Set || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const inner of Object.values(value)) deepFreeze(inner)
  return value
}
