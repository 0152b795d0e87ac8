/** Sockets of one address that may be open without having said who they are. */
const PLACES = 20
/** After a node's end everybody of an office comes at once, from one address: they stand in line instead of being sent away. */
const IN_LINE = 1_000
const PATIENCE_MS = 5_000

export interface AnonymousDoor {
  /**
   * Resolves when a socket of this address may be opened; what it resolves to is called when it has said hello, or is gone,
   * and may be called twice. null: the line is too long, or stood still.
   */
  enter(address: string): Promise<(() => void) | null>
}

interface Address {
  taken: number
  readonly line: Set<() => void>
}

export function createAnonymousDoor(
  limits: Partial<Record<'places' | 'inLine' | 'patienceMs', number>> = {},
): AnonymousDoor {
  const { places = PLACES, inLine = IN_LINE, patienceMs = PATIENCE_MS } = limits
  const addresses = new Map<string, Address>()

  const leave = (address: string, of: Address): void => {
    const [next] = of.line
    if (next === undefined) {
      of.taken -= 1
      if (of.taken === 0) addresses.delete(address)
      return
    }
    // The place goes to the next in line.
    of.line.delete(next)
    next()
  }
  const placeOf = (address: string, of: Address): (() => void) => {
    let mine = true
    return () => {
      if (mine) leave(address, of)
      mine = false
    }
  }
  return Object.freeze({
    enter(address) {
      let of = addresses.get(address)
      if (of === undefined) addresses.set(address, (of = { taken: 0, line: new Set() }))
      const here = of
      if (here.taken < places) {
        here.taken += 1
        return Promise.resolve(placeOf(address, here))
      }
      if (here.line.size >= inLine) return Promise.resolve(null)
      return new Promise((resolve) => {
        const called = (): void => {
          clearTimeout(timer)
          resolve(placeOf(address, here))
        }
        const timer = setTimeout(() => {
          here.line.delete(called)
          resolve(null)
        }, patienceMs)
        here.line.add(called)
      })
    },
  } satisfies AnonymousDoor)
}
