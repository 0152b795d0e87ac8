import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import type { ConfigProblem } from '../../config/contract.js'

const MAX_BYTES = 1_048_576

/** A text that is not taken, with the reasons. */
export interface Refused {
  readonly ok: false
  readonly problems: readonly ConfigProblem[]
}

/** Of a rule file's text: tells two files of one $version apart. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

/** null: there is no such file. */
export async function textOf(path: string): Promise<string | null | Refused> {
  try {
    if ((await stat(path)).size > MAX_BYTES)
      return refused(
        path,
        'TL_RULES_INVALID',
        'the file is larger than 1 MiB',
        'Move lists of customers into your own systems.',
      )
    return await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === 'ENOENT') return null
    return refused(
      path,
      'TL_RULES_INVALID',
      `the file cannot be read (${code ?? 'unknown reason'})`,
      'Check the permissions of the file.',
    )
  }
}

export function refused(file: string, code: ConfigProblem['code'], message: string, remedy: string): Refused {
  const position = { file, line: 1, column: 1 }
  const problem: ConfigProblem = { code, severity: 'error', position, path: '', message, remedy, instance: null }
  return { ok: false, problems: [Object.freeze(problem)] }
}
