import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import type { PluginDef } from '@throughline/plugin-sdk'
import type { ConfigProblem } from '../../config/contract.js'
import type { RuleFileKind, RuleResult } from '../contract.js'
import { factSchemas } from '../fact-schema.js'
import { parseJson, type JsonSource } from './json-source.js'
import { lintFile, type FileShape } from './lint-file.js'
import type { KnownNames } from './lint-then.js'
import { withPlugins } from './operators.js'
import { createReport } from './report.js'
import { createEvaluator } from './evaluate.js'
import { runFileTests } from './file-tests.js'

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
  /** Warnings only. */
  readonly problems: readonly ConfigProblem[]
}
export interface RefusedRuleFile {
  readonly ok: false
  readonly problems: readonly ConfigProblem[]
}

const MAX_BYTES = 1_048_576

/** null: there is no such file. A file that cannot be used is refused with everything that is wrong with it. */
export async function loadRuleFile(
  path: string,
  kind: RuleFileKind,
  context: RuleFileContext,
): Promise<LoadedRuleFile | RefusedRuleFile | null> {
  let text: string
  try {
    if ((await stat(path)).size > MAX_BYTES)
      return refuse(path, 'the file is larger than 1 MiB', 'Move lists of customers into your own systems.')
    text = await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === 'ENOENT') return null
    return refuse(path, `the file cannot be read (${code ?? 'unknown reason'})`, 'Check the permissions of the file.')
  }
  return readRuleFile(text, path, kind, context)
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
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 16)
  return Object.freeze({ ok: true, version: shape.version, digest, evaluate, problems: report.problems })
}

function refuse(file: string, message: string, remedy: string): RefusedRuleFile {
  return { ok: false, problems: [problem({ file, line: 1, column: 1 }, message, remedy)] }
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
