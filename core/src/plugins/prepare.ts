import type { Kind, Logger, PluginDef } from '@throughline/plugin-sdk'
import type { ConfigProblem, InstanceConfig } from '../config/contract.js'
import type { InstanceResult } from '../config/instance.js'
import { ThroughlineError } from '../errors.js'
import { incompatibility } from './compatibility.js'
import { fixOf, troubleOf, type Trouble } from './instance-status.js'
import type { LoadedPlugin } from './loader.js'

export type Validate = (def: PluginDef, instance: InstanceConfig) => InstanceResult

export interface PrepareDeps {
  readonly instance: InstanceConfig
  /** What the section of the configuration holds; null: any of the further kinds. */
  readonly kind: Kind | null
  readonly load: (use: string) => Promise<LoadedPlugin>
  readonly validate: Validate
  readonly secrets: ReadonlySet<string>
  readonly log: Logger
}

/** A plugin with valid settings, or what is wrong with it. `loaded` is there as far as it came. */
export type Prepared =
  | {
      readonly ok: true
      readonly loaded: LoadedPlugin
      readonly config: Readonly<Record<string, unknown>>
      readonly secrets: ReadonlySet<string>
    }
  | { readonly ok: false; readonly loaded: LoadedPlugin | null; readonly trouble: Trouble }

/** Load, brand, version, kind, settings: done once, for what fails here does not heal by waiting. Never throws. */
export async function prepare(deps: PrepareDeps): Promise<Prepared> {
  const { instance, log } = deps
  const known = (instance.problems ?? []).filter((problem) => problem.severity === 'error')
  if (known.length > 0) return { ok: false, loaded: null, trouble: badSettings(known) }
  let loaded: LoadedPlugin | null = null
  try {
    loaded = await deps.load(instance.use)
    const mismatch = incompatibility(loaded.def, { use: instance.use, file: loaded.file })
    if (mismatch && !instance.allowIncompatible) throw mismatch
    if (mismatch)
      log.warn({ code: mismatch.code, reason: mismatch.message }, 'an incompatible plugin is used as allowed')
    checkKind(loaded.def, deps)
    const result = deps.validate(loaded.def, instance)
    if (!result.ok) return { ok: false, loaded, trouble: badSettings(result.problems) }
    for (const { code, path, message, remedy } of result.problems) {
      log.warn({ code, path, reason: message, userAction: remedy }, 'the settings of a plugin instance deserve a look')
    }
    return { ok: true, loaded, config: result.value, secrets: new Set([...deps.secrets, ...result.secrets]) }
  } catch (error) {
    return { ok: false, loaded, trouble: troubleOf(error, deps.secrets) }
  }
}

const sections: readonly Kind[] = ['channel', 'identity', 'routing', 'analytics', 'surface']

function checkKind(def: PluginDef, { instance, kind }: PrepareDeps): void {
  if (kind === null ? !sections.includes(def.kind) : def.kind === kind) return
  throw new ThroughlineError(
    'TL_PLUGIN_INVALID',
    `${instance.use} is of the kind ${def.kind}, but ${instance.id} needs ${kind ?? 'another kind'}. Move the entry to the ` +
      'section of its kind, or name another plugin.',
    { details: { instance: instance.id, kind: def.kind } },
  )
}

function badSettings(problems: readonly ConfigProblem[]): Trouble {
  const [first] = problems
  if (first === undefined) {
    const code = 'TL_CONFIG_INVALID'
    return { state: 'invalid_config', code, message: 'the settings are not valid', userAction: fixOf(code) }
  }
  const { file, line, column } = first.position
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more: run \`throughline check\`)` : ''
  const message = `${file}:${line}:${column} ${first.path}: ${first.message}${more}`
  return { state: 'invalid_config', code: first.code, message, userAction: first.remedy }
}
