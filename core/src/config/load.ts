import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { buildConfig } from './build.js'
import { checkCalendars } from './calendars.js'
import { coerce } from './coerce.js'
import type { ConfigProblem, ConfigResult, Position } from './contract.js'
import { secretFileReader } from './env.js'
import { expand, type Expanded } from './expand.js'
import { splitPointer } from './pointer.js'
import { problem } from './problem.js'
import { isRecord, member, textOf } from './raw.js'
import { readYaml } from './read.js'
import { checkReferences, type Report } from './references.js'
import { rootSchema } from './schema.js'
import { check, compileSchema } from './validate.js'
import { webhookSecrets } from './webhook-checks.js'

export interface LoadOptions {
  readonly file: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Relative paths of the file and of data folders start here. */
  readonly cwd: string
  /** Content of the file when it is already at hand; otherwise it is read. */
  readonly text?: string
  /** Milliseconds; only used to look for changes of clocks ahead. */
  readonly now?: () => number
}

let validateRoot: ReturnType<typeof compileSchema> | null = null

/**
 * Reads the configuration. Never throws for bad input: all problems come back at once, sorted by line. An error inside
 * one plugin instance's entry leaves the result ok (that instance carries its problems); an error elsewhere does not.
 */
export function loadConfig(options: LoadOptions): ConfigResult {
  const file = resolve(options.cwd, options.file)
  const text = options.text ?? readFile(file)
  if (typeof text !== 'string') return failed([text.problem])
  const yaml = readYaml(file, text)
  if (yaml.problems.length > 0) return failed(yaml.problems)

  const problems: ConfigProblem[] = []
  const { source } = yaml
  const expanded = expand(yaml.data, source, { env: options.env, readFile: secretFileReader(dirname(file)) })
  problems.push(...expanded.problems)
  const { data } = expanded
  if (!isRecord(data)) {
    const remedy = 'Start from the default config/throughline.yaml; the least is `version: 1`.'
    const message = 'the file must hold a block of keys'
    const position = source.valueAt('')
    return failed([problem({ code: 'TL_CONFIG_INVALID', position, pointer: '', message, remedy })])
  }

  coerce(data, rootSchema, expanded.substituted)
  validateRoot ??= compileSchema(rootSchema)
  for (const finding of check(validateRoot, data, (pointer) => !expanded.foreign.has(pointer))) {
    if (expanded.broken.has(finding.pointer)) continue
    const position = finding.at === 'key' ? source.keyAt(finding.pointer) : source.valueAt(finding.pointer)
    problems.push(problem({ ...finding, position }))
  }
  const report: Report = (severity, code, pointer, message, remedy) => {
    if (expanded.broken.has(pointer)) return
    const value = code === 'TL_CONFIG_DUPLICATE' || textAt(data, pointer) === null ? source.keyAt : source.valueAt
    problems.push(problem({ severity, code, position: value(pointer), pointer, message, remedy }))
  }
  checkReferences(data, report)
  checkCalendars(data, (options.now ?? Date.now)(), report)
  checkProduction(data, expanded, options.env['NODE_ENV'] === 'production', report)

  problems.sort(byPosition)
  if (problems.some((item) => item.severity === 'error' && item.instance === null)) return failed(problems)
  const secrets = collectSecrets(data, expanded)
  const { substituted } = expanded
  const config = buildConfig({ data, file, cwd: options.cwd, source, substituted, problems, secrets })
  return { ok: true, config, problems }
}

function failed(problems: readonly ConfigProblem[]): ConfigResult {
  return { ok: false, config: null, problems }
}

function readFile(file: string): string | { readonly problem: ConfigProblem } {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(file))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    const reasons: Record<string, string> = {
      ENOENT: 'the file does not exist',
      EACCES: 'permission denied',
      EISDIR: 'it is a folder',
      ERR_ENCODING_INVALID_ENCODED_DATA: 'it is not UTF-8 text',
    }
    const position: Position = { file, line: 1, column: 1 }
    const message = `cannot read the configuration: ${reasons[code] ?? code}`
    const remedy = 'Check the path (--config FILE or THROUGHLINE_CONFIG) and the permissions.'
    return { problem: problem({ code: 'TL_CONFIG_FILE_UNREADABLE', position, pointer: '', message, remedy }) }
  }
}

function textAt(data: unknown, pointer: string): string | null {
  let at: unknown = data
  for (const part of splitPointer(pointer)) at = Array.isArray(at) ? at[Number(part)] : member(at, part)
  return textOf(at)
}

export function byPosition(a: ConfigProblem, b: ConfigProblem): number {
  const order = a.position.file < b.position.file ? -1 : a.position.file > b.position.file ? 1 : 0
  return order || a.position.line - b.position.line || a.position.column - b.position.column
}

function checkProduction(data: unknown, expanded: Expanded, production: boolean, report: Report): void {
  const url = textOf(member(member(data, 'database'), 'url')) ?? ''
  if (passwordOf(url) !== null && !expanded.foreign.has('/database/url')) {
    const remedy = 'Take it from outside: url: "${DATABASE_URL}" or "${file:/run/secrets/database-url}".'
    const severity = production ? 'error' : 'warning'
    report(severity, 'TL_CONFIG_SECRET_LITERAL', '/database/url', 'the file holds a password in plain text', remedy)
  }
  for (const pointer of webhookSecrets(data).keys()) {
    if (expanded.foreign.has(pointer)) continue
    const remedy = 'Take it from outside: "${NAME}" or "${file:/run/secrets/name}".'
    const severity = production ? 'error' : 'warning'
    report(severity, 'TL_CONFIG_SECRET_LITERAL', pointer, 'the file holds a secret in plain text', remedy)
  }
  const publicUrl = textOf(member(member(data, 'server'), 'publicUrl')) ?? ''
  if (production && publicUrl.startsWith('http://')) {
    const message = 'publicUrl does not use https; providers refuse such webhooks'
    report(
      'warning',
      'TL_CONFIG_INVALID',
      '/server/publicUrl',
      message,
      'Put a proxy with TLS in front and write https://…',
    )
  }
}

/** Text from outside that went into plugin settings, webhooks or the connection string. Ports, flags and the like are no secrets. */
function collectSecrets(data: unknown, expanded: Expanded): ReadonlySet<string> {
  const secrets = new Set<string>()
  for (const [pointer, values] of expanded.foreign) {
    const [section, id, field] = splitPointer(pointer)
    const settings = section === 'bus' ? id : field
    if (settings !== 'config' && section !== 'webhooks' && pointer !== '/database/url') continue
    for (const value of values) if (!/^(.{0,3}|\d{1,5}|true|false)$/.test(value)) secrets.add(value)
  }
  for (const secret of webhookSecrets(data).values()) secrets.add(secret)
  const password = passwordOf(textOf(member(member(data, 'database'), 'url')) ?? '')
  if (password !== null) secrets.add(password).add(decode(password))
  return secrets
}

function passwordOf(url: string): string | null {
  const found = /^[a-z]+:\/\/[^:/?#@]*:([^@/]+)@/.exec(url)
  return found?.[1] ?? null
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
