import type { Run } from './operator.js'

/** Steps one condition may take. Counted, not timed: the same facts end the same way on every machine. */
export const FUEL = 10_000

/** Thrown inside an evaluation that takes too many steps; the rule then counts as not matching. */
export class OutOfFuel extends Error {
  constructor() {
    super(`a rule took more than ${FUEL} steps`)
  }
}

/** What is larger than one step: looking for a thousand words in a long text. */
export function spend(run: Run, steps: number): void {
  run.fuel -= steps
  if (run.fuel < 0) throw new OutOfFuel()
}
