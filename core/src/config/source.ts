import type { Position } from './contract.js'
import { parentPointer } from './pointer.js'

/** Where every value of one file stands. Filled by the reader, asked by everybody who reports a problem. */
export interface Source {
  readonly file: string
  /** Position of a value; of the nearest parent that exists when the value does not. */
  valueAt(pointer: string): Position
  /** Position of the key that leads to a value; of the value itself for list items. */
  keyAt(pointer: string): Position
}

export interface Offsets {
  readonly key: number
  readonly value: number
}

export function createSource(
  file: string,
  offsets: ReadonlyMap<string, Offsets>,
  toPosition: (offset: number) => { line: number; col: number },
): Source {
  const find = (pointer: string, part: keyof Offsets): Position => {
    let at: string = pointer
    let entry = offsets.get(at)
    while (entry === undefined && at !== '') {
      at = parentPointer(at)
      entry = offsets.get(at)
    }
    const { line, col } = toPosition(entry?.[at === pointer ? part : 'value'] ?? 0)
    return Object.freeze({ file, line: Math.max(1, line), column: Math.max(1, col) })
  }
  return Object.freeze({
    file,
    valueAt: (pointer: string) => find(pointer, 'value'),
    keyAt: (pointer: string) => find(pointer, 'key'),
  })
}
