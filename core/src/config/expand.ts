import type { ConfigProblem } from './contract.js'
import { substitute, type SubstitutionSources } from './env.js'
import { joinPointer } from './pointer.js'
import { problem } from './problem.js'
import type { Source } from './source.js'

export interface Expanded {
  readonly data: unknown
  /** Pointers of values in which `${…}` took part. */
  readonly substituted: ReadonlySet<string>
  /** Text from outside the file, by the pointer of the value it went into. */
  readonly foreign: ReadonlyMap<string, readonly string[]>
  /** Pointers whose variables failed: already reported, so nothing further is said about these values. */
  readonly broken: ReadonlySet<string>
  readonly problems: readonly ConfigProblem[]
}

/** Replaces variables in every string value of the data. */
export function expand(data: unknown, source: Source, sources: SubstitutionSources): Expanded {
  const substituted = new Set<string>()
  const foreign = new Map<string, readonly string[]>()
  const broken = new Set<string>()
  const problems: ConfigProblem[] = []

  const text = (value: string, pointer: string): string => {
    const result = substitute(value, sources)
    if (result.substituted) substituted.add(pointer)
    if (result.foreign.length > 0) foreign.set(pointer, result.foreign)
    if (result.failures.length > 0) broken.add(pointer)
    const position = source.valueAt(pointer)
    for (const failure of result.failures) problems.push(problem({ ...failure, position, pointer }))
    if (result.endsInBreak !== null) {
      const message = `the value of ${result.endsInBreak} ends in a line break`
      const remedy = 'Set the variable without it; a token with a line break is refused by most providers.'
      problems.push(problem({ code: 'TL_CONFIG_ENV_SYNTAX', severity: 'warning', position, pointer, message, remedy }))
    }
    return result.text
  }
  const walk = (value: unknown, pointer: string): unknown => {
    if (typeof value === 'string') return text(value, pointer)
    if (Array.isArray(value)) return value.map((item: unknown, index) => walk(item, joinPointer(pointer, index)))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [key, walk(member, joinPointer(pointer, key))]),
    )
  }
  return { data: walk(data, ''), substituted, foreign, broken, problems }
}
