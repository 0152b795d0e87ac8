import type { ErrorCode } from '../errors.js'
import type { ConfigProblem, Position } from './contract.js'
import { dottedPath, splitPointer } from './pointer.js'

/** Sections that map an instance id to an entry. An error inside one entry stops that instance, not the engine. */
export const instanceSections = Object.freeze([
  'channels',
  'identity',
  'routing',
  'analytics',
  'surfaces',
  'assistants',
  'context',
  'knowledge',
  'notifiers',
  'storage',
] as const)

export type InstanceSection = (typeof instanceSections)[number]

const sectionNames: ReadonlySet<string> = new Set(instanceSections)

/** Id of the instance a pointer leads into; null for the root. `bus` holds one entry, whose id is `bus`. */
export function instanceOf(pointer: string): string | null {
  const [section, id] = splitPointer(pointer)
  if (section === 'bus') return 'bus'
  return section !== undefined && id !== undefined && sectionNames.has(section) ? id : null
}

export function problem(input: {
  readonly code: ErrorCode
  readonly position: Position
  readonly pointer: string
  readonly message: string
  readonly remedy: string
  readonly severity?: 'error' | 'warning'
}): ConfigProblem {
  return Object.freeze({
    code: input.code,
    severity: input.severity ?? 'error',
    position: input.position,
    path: dottedPath(input.pointer),
    message: input.message,
    remedy: input.remedy,
    instance: instanceOf(input.pointer),
  })
}
