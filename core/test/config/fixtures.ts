import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** core/, seen from core/dist/test/config. */
export const coreFolder = fileURLToPath(new URL('../../../', import.meta.url))
export const projectFolder = fileURLToPath(new URL('../../../../', import.meta.url))
export const defaultFile = `${projectFolder}config/throughline.yaml`
export const brokenFolder = `${coreFolder}test/config/broken/`

export interface BrokenFile {
  readonly name: string
  readonly file: string
  readonly code: string
  readonly line: number
  /** Dotted path; `*`: any. */
  readonly path: string
}

/** Every broken file says in its first line what has to be found in it. */
export function brokenFiles(): readonly BrokenFile[] {
  return readdirSync(brokenFolder)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => {
      const file = brokenFolder + name
      const expected = /^# expect (TL_\w+) (\d+) (.+)\n/.exec(readFileSync(file, 'utf8'))
      if (expected === null) throw new Error(`${name} does not say what is expected`)
      return { name, file, code: expected[1] ?? '', line: Number(expected[2]), path: expected[3] ?? '' }
    })
}
