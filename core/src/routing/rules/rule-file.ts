import type { PluginDef } from '@throughline/plugin-sdk'
import type { ConfigProblem } from '../../config/contract.js'
import type { RuleFileKind, RuleResult } from '../contract.js'
import { factSchemas } from '../fact-schema.js'
import { digestOf, textOf } from './rule-text.js'
import { parseJson, type JsonSource } from './json-source.js'
import { lintFile, type FileShape } from './lint-file.js'
import type { KnownNames } from './lint-then.js'
import { withPlugins } from './operators.js'
import { createReport } from './report.js'
import { createEvaluator } from './evaluate.js'
import { runFileTests } from './file-tests.js'
import { usesOf, type Uses } from './uses.js'

export interface RuleFileContext extends KnownNames {
  /** Plugins whose rule operators and facts may be used. */
  readonly definitions: readonly PluginDef[]
  /** A rule failed while running: it counted as not matching. Never holds facts. */
  readonly onFailure?: (failure: {
    readonly file: RuleFileKind
    readonly rule: string
    readonly version: string
    readonly message: string
  }) => void
}

export interface LoadedRuleFile {
  readonly ok: true
  readonly version: string
  /** Of the text: tells two files of one $version apart. */
  readonly digest: string
  readonly evaluate: (facts: Readonly<Record<string, unknown>>) => RuleResult | null
  /** What its conditions ask for. */
  readonly uses: Uses
  /** How many rules and tests it has. */
  readonly counts: { readonly rules: number; readonly tests: number }
  /** Warnings only. */
  readonly problems: readonly ConfigProblem[]
}
export interface RefusedRuleFile {
  readonly ok: false
  readonly problems: readonly ConfigProblem[]
}

/** null: there is no such file. A file that cannot be used is refused with everything that is wrong with it. */
export async function loadRuleFile(
  path: string,
  kind: RuleFileKind,
  context: RuleFileContext,
): Promise<LoadedRuleFile | RefusedRuleFile | null> {
  const text = await textOf(path)
  return typeof text === 'string' ? readRuleFile(text, path, kind, context) : text
}

/** The same from a text, for drafts and for the built-in rules. */
export function readRuleFile(
  text: string,
  path: string,
  kind: RuleFileKind,
  context: RuleFileContext,
): LoadedRuleFile | RefusedRuleFile {
  const parsed = parseJson(text, path)
  if ('fault' in parsed) {
    const { position, message } = parsed.fault
    return { ok: false, problems: [problem(position, message, 'Correct the JSON at this place.')] }
  }
  return buildRuleFile(parsed.source, text, kind, context)
}

function buildRuleFile(
  source: JsonSource,
  text: string,
  kind: RuleFileKind,
  context: RuleFileContext,
): LoadedRuleFile | RefusedRuleFile {
  const report = createReport(source)
  const { operators, facts } = withPlugins(factSchemas[kind], context.definitions)
  const shape: FileShape | null = lintFile({ source, kind, facts, operators, names: context, report })
  if (shape === null || report.failed) return { ok: false, problems: report.problems }
  const evaluate = createEvaluator({ shape, kind, operators, onFailure: context.onFailure })
  runFileTests({ shape, facts, report, evaluate: createEvaluator({ shape, kind, operators, onFailure: undefined }) })
  if (report.failed) return { ok: false, problems: report.problems }
  const { version } = shape
  const uses = usesOf(shape.rules.map((rule) => rule.when))
  const counts = { rules: shape.rules.length, tests: shape.tests.length }
  return Object.freeze({ ok: true, version, digest: digestOf(text), evaluate, uses, counts, problems: report.problems })
}

function problem(position: ConfigProblem['position'], message: string, remedy: string): ConfigProblem {
  return Object.freeze({
    code: 'TL_RULES_INVALID',
    severity: 'error',
    position,
    path: '',
    message,
    remedy,
    instance: null,
  })
}
