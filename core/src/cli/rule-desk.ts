import { readFile } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { PluginDef } from '@throughline/plugin-sdk'
import type { Config } from '../config/contract.js'
import { formatProblems } from '../config/report.js'
import { ThroughlineError } from '../errors.js'
import type { RuleFileKind } from '../routing/contract.js'
import { readRuleFile, type LoadedRuleFile, type RefusedRuleFile } from '../routing/rules/rule-file.js'
import { createCalendars } from '../calendars/calendar.js'
import { ruleContext, ruleFileKinds, rulePath } from '../routing/rules/rules.js'
import { UsageError, type Invocation } from './command.js'
import { loadDefinition } from './load-definition.js'
import { allInstances } from './plugin-definition.js'
import { option } from './print.js'

/** What the commands about rule files share: reading and checking files with the plugins of the configuration. */
export interface RuleDesk {
  /** The live file's path of each kind, and whether it is there. */
  readonly files: readonly { readonly kind: RuleFileKind; readonly path: string }[]
  kindOf(path: string): RuleFileKind
  read(path: string, kind: RuleFileKind): Promise<{ readonly text: string; readonly loaded: Loaded }>
  /** A draft that passes every check, or an error that names the first mistake. */
  readGood(path: string, kind: RuleFileKind): Promise<{ readonly text: string; readonly loaded: LoadedRuleFile }>
  fromText(text: string, kind: RuleFileKind): Loaded
}

type Loaded = LoadedRuleFile | RefusedRuleFile

export async function openRuleDesk(invocation: Invocation, config: Config): Promise<RuleDesk> {
  const found = await Promise.all(allInstances(config).map((instance) => loadDefinition(instance, config.file)))
  const definitions = found.flatMap((one): PluginDef[] => (one.ok ? [one.plugin] : []))
  const context = ruleContext(config, definitions, createCalendars(config.calendars))
  const { cwd } = invocation.terminal
  const read: RuleDesk['read'] = async (path, kind) => {
    const file = resolve(cwd, path)
    const text = await readFile(file, 'utf8').catch((cause: unknown) => {
      throw new ThroughlineError('TL_RULES_INVALID', `${path} cannot be read: check the path`, { cause })
    })
    return { text, loaded: readRuleFile(text, file, kind, context) }
  }
  return {
    files: ruleFileKinds.map((kind) => ({ kind, path: rulePath(config, kind) })),
    kindOf(path) {
      const named = option(invocation, 'kind')
      const kind = ruleFileKinds.find((one) => (named === null ? basename(path).startsWith(one) : named === one))
      if (kind !== undefined) return kind
      throw new UsageError(`what ${basename(path)} decides is not clear: add --kind ${ruleFileKinds.join('|')}`)
    },
    read,
    async readGood(path, kind) {
      const { text, loaded } = await read(path, kind)
      if (loaded.ok) return { text, loaded }
      const list = formatProblems(loaded.problems, { cwd, secrets: config.secrets })
      invocation.terminal.err(list)
      throw new ThroughlineError('TL_RULES_INVALID', `${path} does not pass the checks: correct it first`)
    },
    fromText: (text, kind) => readRuleFile(text, kind, kind, context),
  }
}

const UNITS: Readonly<Record<string, number>> = { m: 60, h: 3_600, d: 86_400, w: 604_800 }

/** `--since 7d` in seconds. */
export function sinceOf(invocation: Invocation, fallback: string | null): number | null {
  const text = option(invocation, 'since') ?? fallback
  if (text === null) return null
  const [, number = '', unit = ''] = /^(\d{1,4})([mhdw])$/.exec(text) ?? []
  const seconds = Number(number) * (UNITS[unit] ?? 0)
  if (seconds > 0) return seconds
  throw new UsageError(`--since "${text}" is not a period: write 30m, 12h, 7d or 2w`)
}
