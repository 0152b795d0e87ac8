import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import type { ConfigProblem } from './contract.js'
import { redact } from './redact.js'

export interface ReportOptions {
  /** Paths are shown relative to this folder when they lie inside it. */
  readonly cwd: string
  readonly secrets?: ReadonlySet<string>
  /** Text of a file for code frames; null when there is none. Default: from disk. */
  readonly readSource?: (file: string) => string | null
}

/**
 * The report of `throughline check`, a block per problem:
 * `file:line:column  path.of.keys  CODE` / message / code frame / remedy.
 */
export function formatProblems(problems: readonly ConfigProblem[], options: ReportOptions): string {
  const read = options.readSource ?? readText
  const sources = new Map<string, readonly string[]>()
  const linesOf = (file: string): readonly string[] => {
    const known = sources.get(file)
    if (known !== undefined) return known
    const lines = (read(file) ?? '').split(/\r?\n/)
    sources.set(file, lines)
    return lines
  }
  const secrets = options.secrets ?? new Set<string>()
  return problems
    .map((item) => {
      const { file, line, column } = item.position
      const shown = showPath(file, options.cwd)
      const frame = codeFrame(linesOf(file)[line - 1], line, column)
      const severity = item.severity === 'warning' ? '  (warning)' : ''
      const text = [
        `${shown}:${line}:${column}  ${item.path}  ${item.code}${severity}`,
        `  ${item.message}`,
        ...frame,
        `  ${item.remedy}`,
      ].join('\n')
      return redact(text, secrets)
    })
    .join('\n\n')
}

/** One line a problem with its code, for logs. */
export function problemLine(item: ConfigProblem, cwd: string): string {
  return `${problemText(item, cwd)} (${item.code})`
}

/** The same without the code, as message of an error that carries it. */
export function problemText(item: ConfigProblem, cwd: string): string {
  const { file, line, column } = item.position
  return `${showPath(file, cwd)}:${line}:${column} ${item.path}: ${item.message}: ${item.remedy}`
}

function showPath(file: string, cwd: string): string {
  const path = relative(cwd, file)
  return path === '' || path.startsWith('..') ? file : path
}

const width = 100

/** The line and a caret. Values of keys that look like secrets are covered: this text goes to screens and logs. */
function codeFrame(line: string | undefined, number: number, column: number): readonly string[] {
  if (line === undefined || line.trim() === '') return []
  const covered = line.replaceAll('\t', ' ').replace(secretValue, (_match, key: string, value: string) => {
    return key + (/^["']?\$\{/.test(value) ? value : '•'.repeat(value.length))
  })
  const from = column - 1 > width - 20 ? column - 1 - 40 : 0
  const head = from > 0 ? '…' : ''
  const tail = covered.length > from + width ? '…' : ''
  const gutter = `  ${String(number).padStart(2)} | `
  const caret = ' '.repeat(gutter.length - 2) + '| ' + ' '.repeat(Math.max(0, column - 1 - from + head.length)) + '^'
  return [gutter + head + covered.slice(from, from + width) + tail, caret]
}

const secretValue =
  /((?:secret|token|password|passphrase|credential|(?:api|access|private|signing)[-_]?key)[a-z0-9_-]*["']?\s*:\s*)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s,}\]#]+)/gi

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}
