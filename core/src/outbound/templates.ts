import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ConfigProblem } from '../config/contract.js'
import { ThroughlineError, type ErrorCode } from '../errors.js'
import { compileTemplate, type Escape, type RenderTemplate } from './render.js'
import { templateFaults } from './template-syntax.js'

/** Which channel a template is rendered for: the name of its plugin wins over its kind. */
export interface TemplateTarget {
  readonly plugin: string | null
  readonly kind: string
}

export interface Templates {
  readonly names: readonly string[]
  readonly problems: readonly ConfigProblem[]
  /** Text of `<name>.<plugin>.hbs`, else `<name>.<kind>.hbs`, else `<name>.hbs`. Throws TL_TEMPLATE_UNKNOWN, _FAILED. */
  render(name: string, values: Readonly<Record<string, unknown>>, target: TemplateTarget, escape?: Escape): string
}

const MAX_FILE = 65_536
const fileName = /^[a-z][a-z0-9-]*(?:\.[a-z][a-z0-9-]*)?\.hbs$/

/** Reads a folder of templates once. A file with a fault is left out and told; the others work. */
export async function loadTemplates(dir: string): Promise<Templates> {
  const problems: ConfigProblem[] = []
  const ready = new Map<string, RenderTemplate>()
  for (const file of await templateFiles(dir)) {
    const path = join(dir, file)
    const found = fileName.test(file) ? await readTemplate(path) : wrongName(path)
    if (typeof found === 'string') ready.set(file.slice(0, -4), compileTemplate(file, found))
    else problems.push(...found)
  }
  const names = [...new Set([...ready.keys()].map((key) => key.split('.')[0] ?? key))].sort()
  return Object.freeze({
    names,
    problems,
    render(name: string, values: Readonly<Record<string, unknown>>, target: TemplateTarget, escape: Escape = 'none') {
      const variants = [target.plugin, target.kind].flatMap((variant) =>
        variant === null ? [] : [`${name}.${variant}`],
      )
      const template = [...variants, name].map((key) => ready.get(key)).find((found) => found !== undefined)
      if (template) return template(values, escape)
      throw new ThroughlineError(
        'TL_TEMPLATE_UNKNOWN',
        `there is no template ${JSON.stringify(name)} for this channel; put a file ${name}.hbs into the templates folder` +
          (names.length > 0 ? ` or use one of ${names.join(', ')}` : ''),
        { details: { template: name } },
      )
    },
  })
}

/** Findings for `throughline check`. */
export async function checkTemplates(dir: string): Promise<readonly ConfigProblem[]> {
  return (await loadTemplates(dir)).problems
}

async function templateFiles(dir: string): Promise<readonly string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.hbs'))
    .map((entry) => entry.name)
    .sort()
}

async function readTemplate(path: string): Promise<string | readonly ConfigProblem[]> {
  try {
    const { size } = await stat(path)
    if (size > MAX_FILE) {
      return [problem(path, 1, 1, `the template has ${size} bytes, at most ${MAX_FILE} are read`, 'Shorten it.')]
    }
    // A byte that is no UTF-8 is a fault of the file, not a question mark for the customer.
    const source = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
    const faults = templateFaults(source)
    if (faults.length === 0) return source
    return faults.map((fault) => problem(path, fault.line, fault.column, fault.message, fault.remedy))
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error))
    return [problem(path, 1, 1, `the template cannot be read (${why})`, 'Save it as UTF-8 and check its permissions.')]
  }
}

function wrongName(path: string): readonly ConfigProblem[] {
  return [
    problem(
      path,
      1,
      1,
      'the name of a template is not understood',
      'Name it <template>.hbs, or <template>.<channel kind or plugin>.hbs, in lower case with dashes.',
    ),
  ]
}

function problem(file: string, line: number, column: number, message: string, remedy: string): ConfigProblem {
  const code: ErrorCode = 'TL_TEMPLATE_INVALID'
  return {
    code,
    severity: 'error',
    position: { file, line, column },
    path: 'templates',
    message,
    remedy,
    instance: null,
  }
}
