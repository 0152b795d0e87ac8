/** Whose code the main thread runs at this moment, in memory that the watchdog's thread can read while it stands still. */
export interface CallMark {
  /** Registers a place once, an instance's operation; answers its number. */
  place(instance: string, operation: string): number
  /** The main thread goes in there; answers where it came from, for `leave`. */
  enter(place: number): number
  leave(before: number): void
}

/** Nobody watches: tests, and engines under a debugger. */
export const noMark: CallMark = Object.freeze({ place: () => 0, enter: () => 0, leave: () => undefined })

/** Cells of the shared memory. */
export const BEATS = 0
export const PLACE = 1

export function createCallMark(
  cells: Int32Array,
  placed: (place: number, instance: string, operation: string) => void,
): CallMark {
  let places = 0
  return Object.freeze({
    place(instance, operation) {
      placed(++places, instance, operation)
      return places
    },
    enter(place) {
      const before = cells[PLACE] ?? 0
      cells[PLACE] = place
      return before
    },
    leave(before) {
      cells[PLACE] = before
    },
  } satisfies CallMark)
}
