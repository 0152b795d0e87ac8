/** How long a test waits for something that should happen soon, on a machine that is busy with other tests. */
const PATIENCE_MS = 30_000
const STEP_MS = 25

/**
 * Asks until there is an answer (anything but undefined, null and false) and returns it. It fails with what was waited
 * for; `tell` adds what was there instead. Not a measurement: the limit only ends a test that cannot pass any more.
 */
export async function eventually<T>(
  what: string,
  look: () => T | Promise<T>,
  options: { readonly patienceMs?: number; readonly tell?: () => string } = {},
): Promise<Exclude<T, undefined | null | false>> {
  const patience = options.patienceMs ?? PATIENCE_MS
  for (const end = performance.now() + patience; ;) {
    const found = await look()
    if (found !== undefined && found !== null && found !== false) return found as Exclude<T, undefined | null | false>
    if (performance.now() > end) {
      throw new Error(`not within ${patience / 1000} s: ${what}${options.tell ? `\n${options.tell()}` : ''}`)
    }
    await pause(STEP_MS)
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Settles like the promise, or fails after a while, saying what was waited for. */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms / 1000} s: ${what}`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
