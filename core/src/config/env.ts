import { readFileSync, statSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import type { ErrorCode } from '../errors.js'

/**
 * Variables in values: `${N}`, `${N:-default}`, `${N:?why}`, `${file:/p}`, and `$${` for a literal `${`.
 * It runs after YAML parsing and on string values only, so what stands in a variable can never become structure.
 */
export interface Substitution {
  readonly text: string
  /** True when `${…}` took part, also with its default: such text may be read as a number where one is wanted. */
  readonly substituted: boolean
  /** Text that came from outside the configuration file: to be redacted. */
  readonly foreign: readonly string[]
  readonly failures: readonly SubstitutionFailure[]
  /** A value that ends in a line break is nearly always a mistake of how the variable was set. */
  readonly endsInBreak: string | null
}

export interface SubstitutionFailure {
  readonly code: ErrorCode
  readonly message: string
  readonly remedy: string
}

export interface SubstitutionSources {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Content of a file, or a message saying why it cannot be read. */
  readonly readFile: (path: string) => { readonly text: string } | { readonly reason: string }
}

const expression = /\$\$\{|\$\{([^}]*)(\}?)/g
const variable = /^([A-Za-z_][A-Za-z0-9_]*)(?::([-?])([\s\S]*))?$/

export function substitute(text: string, sources: SubstitutionSources): Substitution {
  if (!text.includes('${')) return { text, substituted: false, foreign: [], failures: [], endsInBreak: null }
  const foreign: string[] = []
  const failures: SubstitutionFailure[] = []
  let substituted = false
  let endsInBreak: string | null = null
  const take = (value: string, name: string): string => {
    if (value !== '') foreign.push(value)
    if (/[\r\n]$/.test(value)) endsInBreak = name
    return value
  }
  const result = text.replace(expression, (match, body: string | undefined, close: string | undefined) => {
    if (match === '$${') return '${'
    substituted = true
    const answer = resolveBody(body ?? '', close === '}', sources)
    if ('failure' in answer) {
      failures.push(answer.failure)
      return ''
    }
    return answer.foreign ? take(answer.value, answer.name) : answer.value
  })
  return { text: result, substituted, foreign, failures, endsInBreak }
}

type Answer =
  | { readonly value: string; readonly foreign: boolean; readonly name: string }
  | { readonly failure: SubstitutionFailure }

function resolveBody(body: string, closed: boolean, sources: SubstitutionSources): Answer {
  const fail = (code: ErrorCode, message: string, remedy: string): Answer => ({ failure: { code, message, remedy } })
  const forms = 'Write ${NAME}, ${NAME:-default}, ${NAME:?why}, ${file:/path}, or $${ for a plain "${".'
  if (!closed) return fail('TL_CONFIG_ENV_SYNTAX', 'a "${" is not closed', forms)
  if (body.startsWith('file:')) {
    const path = body.slice('file:'.length)
    if (path === '') return fail('TL_CONFIG_ENV_SYNTAX', '"${file:}" names no file', forms)
    const read = sources.readFile(path)
    if ('text' in read) return { value: read.text.replace(/\r?\n$/, ''), foreign: true, name: path }
    return fail(
      'TL_CONFIG_FILE_UNREADABLE',
      `cannot read the file ${path}: ${read.reason}`,
      'Check the path and the permissions of the file.',
    )
  }
  const parts = variable.exec(body)
  const name = parts?.[1]
  if (parts === null || name === undefined) {
    return fail('TL_CONFIG_ENV_SYNTAX', `"\${${body.slice(0, 60)}}" is not a variable`, forms)
  }
  const value = sources.env[name]
  const operator = parts[2]
  const operand = parts[3] ?? ''
  if (operator === undefined) {
    if (value !== undefined) return { value, foreign: true, name }
    return fail(
      'TL_CONFIG_ENV_MISSING',
      `environment variable ${name} is not set`,
      `Set ${name}, or give it a default: \${${name}:-…}.`,
    )
  }
  // As in a shell, `:-` and `:?` treat an empty variable like one that is not set.
  if (value !== undefined && value !== '') return { value, foreign: true, name }
  if (operator === '-') return { value: operand, foreign: false, name }
  const why = operand === '' ? '' : `: ${operand}`
  return fail('TL_CONFIG_ENV_MISSING', `environment variable ${name} is not set${why}`, `Set ${name} before the start.`)
}

const maxFileBytes = 1024 * 1024

/** Reads `${file:…}` from disk; relative paths start at the folder of the configuration file. */
export function secretFileReader(folder: string): SubstitutionSources['readFile'] {
  return (path) => {
    const full = isAbsolute(path) ? path : resolve(folder, path)
    try {
      const stat = statSync(full)
      if (!stat.isFile()) return { reason: 'it is not a file' }
      if (stat.size > maxFileBytes) return { reason: `it is larger than ${maxFileBytes} bytes` }
      return { text: readFileSync(full, 'utf8') }
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
      const reasons: Record<string, string> = { ENOENT: 'it does not exist', EACCES: 'permission denied' }
      return { reason: reasons[code] ?? code }
    }
  }
}
