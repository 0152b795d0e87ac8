import type { Analytics } from './analytics.js'
import type { Capabilities } from './capabilities.js'
import type { Channel } from './channel.js'
import type { ThreadRef } from './content.js'
import type { Context, Health, Kind } from './context.js'
import type { Identity } from './identity.js'
import type { Routing } from './routing.js'
import type { RuleExtensions } from './rules.js'
import type { ConfigSchema, InferConfig } from './schema.js'
import type { Surface } from './surface.js'
import type { Bus } from './bus.js'
import { api } from './version.js'

/** Marks what defineX returns; by symbol registry, so that two copies of the SDK recognise each other. */
export const BRAND: unique symbol = Symbol.for('throughline.plugin') as never

export interface Lifecycle {
  /** After mounting; may do I/O. 30 s. */
  start?(): Promise<void>
  /** Once, in reverse order of starting; idempotent. 10 s. */
  stop?(): Promise<void>
  health?(): Promise<Health> | Health
}

export type CheckResult = { readonly ok: boolean; readonly detail?: string; readonly account?: string }

/** What an author writes, for every kind. */
export interface PluginSpec<K extends Kind, S extends ConfigSchema, I> {
  /** ^[a-z][a-z0-9-]{1,40}$; also the prefix of rule operators and facts. */
  readonly name: string
  readonly version: string
  readonly title?: string
  readonly docs?: string
  readonly bugs?: string
  readonly config: S
  /** Builds the instance. No network here; may be async (read a file). 10 s. */
  setup(context: Context<K, InferConfig<S>>): I | Promise<I>
  /** Proves that the credentials work; run by `throughline plugin doctor` and, with `checkOnStart`, before the start. */
  check?(context: Context<K, InferConfig<S>>): Promise<CheckResult>
  /** Rewrites settings written for an older major of the plugin. */
  upgradeConfig?(old: Record<string, unknown>, from: string): Record<string, unknown>
  readonly rules?: RuleExtensions<InferConfig<S>>
}

/** What defineX returns: frozen, stamped with the SDK's version. */
export interface PluginDef<
  K extends Kind = Kind,
  S extends ConfigSchema = ConfigSchema,
  I = unknown,
> extends PluginSpec<K, S, I> {
  readonly [BRAND]: { readonly major: number; readonly minor: number }
  readonly kind: K
}

export interface ChannelSpec<S extends ConfigSchema> extends PluginSpec<'channel', S, Channel> {
  readonly capabilities: Capabilities | ((thread: ThreadRef) => Capabilities)
}
export interface ChannelDef<S extends ConfigSchema = ConfigSchema> extends PluginDef<'channel', S, Channel> {
  readonly capabilities: Capabilities | ((thread: ThreadRef) => Capabilities)
}

function define<K extends Kind, T extends object>(
  kind: K,
  spec: T,
): T & { readonly [BRAND]: typeof api; readonly kind: K } {
  return Object.freeze({ ...spec, kind, [BRAND]: api })
}

/** A channel: a way customers write and are answered. See docs/guides/write-a-channel.md. */
export function defineChannel<const S extends ConfigSchema>(spec: ChannelSpec<S>): ChannelDef<S> {
  return define('channel', spec)
}
/** Who is who: normalises identifiers and checks claims. */
export function defineIdentity<const S extends ConfigSchema>(
  spec: PluginSpec<'identity', S, Identity>,
): PluginDef<'identity', S, Identity> {
  return define('identity', spec)
}
/** Where work goes, beyond what rule files can say. */
export function defineRouting<const S extends ConfigSchema>(
  spec: PluginSpec<'routing', S, Routing>,
): PluginDef<'routing', S, Routing> {
  return define('routing', spec)
}
/** Reads the event log in batches. */
export function defineAnalytics<const S extends ConfigSchema>(
  spec: PluginSpec<'analytics', S, Analytics>,
): PluginDef<'analytics', S, Analytics> {
  return define('analytics', spec)
}
/** A web page: static files at a mount path. */
export function defineSurface<const S extends ConfigSchema>(
  spec: PluginSpec<'surface', S, Surface>,
): PluginDef<'surface', S, Surface> {
  return define('surface', spec)
}
/** Wake-ups between nodes. */
export function defineBus<const S extends ConfigSchema>(spec: PluginSpec<'bus', S, Bus>): PluginDef<'bus', S, Bus> {
  return define('bus', spec)
}
