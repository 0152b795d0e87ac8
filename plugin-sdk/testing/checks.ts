/** What the kit needs of a test runner: tap's `t` fits, and anything else with these methods. */
export interface TestApi {
  test(name: string, run: (t: TestApi) => unknown): unknown
  ok(value: unknown, message: string): unknown
  equal(actual: unknown, expected: unknown, message: string): unknown
}

/** Inside one check: remembers whether anything failed, because runners differ in what they return. */
export type Check = {
  ok(value: unknown, message: string): void
  equal(actual: unknown, expected: unknown, message: string): void
}

export type Grade = 'none' | 'bronze' | 'silver' | 'gold'

/** What a kit run found: the ids of the checks, such as `I1`. */
export type ConformanceReport = {
  readonly passed: readonly string[]
  readonly failed: readonly string[]
  /** Each skip has its reason. */
  readonly skipped: Readonly<Record<string, string>>
  readonly grade: Grade
}

export type Runner = {
  /** Runs one check as a subtest called `<id> <sentence>`, unless the author or the kit has a reason to skip it. */
  check(id: string, sentence: string, run: (check: Check) => unknown, skipBecause?: string): Promise<void>
  report(grades: { readonly bronze: string; readonly silver: string; readonly gold: string }): ConformanceReport
}

export function createRunner(t: TestApi, skip: Readonly<Record<string, string>>): Runner {
  const passed: string[] = []
  const failed: string[] = []
  const skipped: Record<string, string> = {}
  return {
    async check(id, sentence, run, skipBecause) {
      const reason = skip[id] ?? skipBecause
      if (reason !== undefined) {
        skipped[id] = reason
        await t.test(`${id} ${sentence} (skipped: ${reason})`, async (st) => {
          st.ok(reason.trim().length > 8, 'a skip gives its reason')
        })
        return
      }
      let good = true
      await t.test(`${id} ${sentence}`, async (st) => {
        const check: Check = {
          ok: (value, message) => {
            good &&= Boolean(value)
            st.ok(value, message)
          },
          equal: (actual, expected, message) => {
            good &&= Object.is(actual, expected)
            st.equal(actual, expected, message)
          },
        }
        try {
          await run(check)
        } catch (error) {
          good = false
          throw error
        }
      })
      ;(good ? passed : failed).push(id)
    },
    report({ bronze, silver, gold }) {
      const clean = (letters: string) => !failed.some((id) => letters.includes(id[0] ?? ''))
      // A skipped check is not a passed one: gold needs the kind's checks without exception by the author.
      const exempt = Object.keys(skip).length > 0
      const grade: Grade = !clean(bronze)
        ? 'none'
        : !clean(silver)
          ? 'bronze'
          : !clean(gold) || exempt
            ? 'silver'
            : 'gold'
      return { passed, failed, skipped, grade }
    },
  }
}

/** Fails instead of hanging the test run when something never settles. */
export async function settles<T>(promise: Promise<T>, what: string, limitMs = 10_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} never settled`)), limitMs)
  })
  try {
    return await Promise.race([promise, limit])
  } finally {
    clearTimeout(timer)
  }
}
