import { ThroughlineError } from '../errors.js'

/** Bounds what a plugin that hangs may hold: calls in hand, by operation, so that one operation does not starve another. */
export interface Places {
  /** Throws TL_PLUGIN_BUSY when all places of the operation are taken. */
  admit(operation: string): void
  /** A call is in the plugin's hands. */
  enter(operation: string): Place
  /** Calls in hand, abandoned ones included. */
  readonly inHand: number
}

export interface Place {
  /** The plugin has answered. Later calls do nothing. */
  leave(): void
  /** Nobody waits for the answer any more; the place stays taken until it comes, or for a minute. */
  abandon(): void
}

export interface PlacesDeps {
  readonly instance: string
  /** How many calls of the operation may be in hand. */
  readonly limitOf: (operation: string) => number
  /** All places are taken, with the error that callers get; null: half of them are free again. */
  readonly onBusy: (operation: string, error: ThroughlineError | null) => void
  readonly abandonedMs?: number
}

/** What a plugin never answers is forgotten after so long: a fault that has passed must not shut an instance for good. */
const ABANDONED_MS = 60_000

export function createPlaces({ instance, limitOf, onBusy, abandonedMs = ABANDONED_MS }: PlacesDeps): Places {
  const taken = new Map<string, number>()
  const busy = new Set<string>()
  let inHand = 0

  function free(operation: string): void {
    inHand -= 1
    const left = (taken.get(operation) ?? 1) - 1
    taken.set(operation, left)
    if (left <= limitOf(operation) / 2 && busy.delete(operation)) onBusy(operation, null)
  }

  return {
    get inHand() {
      return inHand
    },
    admit(operation) {
      const count = taken.get(operation) ?? 0
      if (count < limitOf(operation)) return
      const error = new ThroughlineError(
        'TL_PLUGIN_BUSY',
        `${instance} has ${count} calls of ${operation} in hand and answers none of them; further ones are refused`,
        { details: { instance, operation, calls: count } },
      )
      if (!busy.has(operation)) {
        busy.add(operation)
        onBusy(operation, error)
      }
      throw error
    },
    enter(operation) {
      inHand += 1
      taken.set(operation, (taken.get(operation) ?? 0) + 1)
      let held = true
      let timer: NodeJS.Timeout | undefined
      const leave = (): void => {
        clearTimeout(timer)
        if (held) free(operation)
        held = false
      }
      return {
        leave,
        abandon() {
          if (held) timer ??= setTimeout(leave, abandonedMs).unref()
        },
      }
    },
  }
}
