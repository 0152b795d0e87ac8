/** Sends commands no faster than the server takes them: a number under way at a time, and so many a second. */
export interface Pace {
  /** A connection is ready: these are to be sent, in this order. */
  begin(ids: readonly string[], limits?: { readonly rate: number; readonly inflight: number }): void
  add(id: string): void
  /** Answered, whatever the answer. */
  answered(id: string): void
  /** Refused for now: first of those that wait. */
  again(id: string): void
  stop(): void
}

const STEP_MS = 50

/** @param put sends one; false: the connection is gone, `begin` comes when there is another. */
export function createPace(put: (id: string) => boolean): Pace {
  let queue: string[] = []
  const flying = new Set<string>()
  let rate = 20
  let inflight = 32
  let tokens = rate
  let filled = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  const pump = (): void => {
    clearTimeout(timer)
    timer = undefined
    const now = Date.now()
    // A clock that was set back must not stop the flow.
    tokens = Math.min(rate, tokens + (Math.max(0, now - filled) / 1000) * rate)
    filled = now
    while (queue.length > 0 && flying.size < inflight) {
      if (tokens < 1) {
        timer = setTimeout(pump, STEP_MS)
        return
      }
      const id = queue.shift() as string
      if (!put(id)) return
      tokens -= 1
      flying.add(id)
    }
  }
  return {
    begin(ids, limits) {
      queue = [...ids]
      flying.clear()
      rate = limits?.rate ?? rate
      inflight = limits?.inflight ?? inflight
      tokens = rate
      filled = Date.now()
      pump()
    },
    add(id) {
      queue.push(id)
      pump()
    },
    answered(id) {
      if (flying.delete(id)) pump()
    },
    again(id) {
      if (flying.has(id) || queue.includes(id)) return
      queue.unshift(id)
      pump()
    },
    stop() {
      queue = []
      clearTimeout(timer)
    },
  }
}
