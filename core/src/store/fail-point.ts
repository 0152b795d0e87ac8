import { setTimeout as delay } from 'node:timers/promises'
import { ThroughlineError } from '../errors.js'

/** Places between two side effects where the fault suite makes a node die, fail or stand still. */
export const failPoints = Object.freeze({
  'ingress.before-commit': 'Events of requests are about to be stored; nobody was answered.',
  'ingress.committed': 'Events are stored, their requests are not answered yet.',
  'drain.claimed': 'Shards are claimed and rows are in hand; nothing is applied.',
  'drain.before-commit': 'A batch is written and its claim is given up, both uncommitted.',
  'drain.committed': 'A batch is committed; the sequencer and the dispatcher have not been told.',
  'sequencer.before-move': 'Committed events are about to get their positions.',
  'sequencer.moved': 'Events have positions; this node’s reader has not been told.',
  'work.before-commit': 'An offer, an acceptance or another act on work is written, uncommitted.',
  'work.committed': 'An act on work is committed; the sequencer has not been told.',
  'command.before-effect': 'An agent’s command is checked; nothing is done yet.',
  'command.effect-done': 'A command’s effect and result are stored; the agent has no answer yet.',
  'deliver.claimed': 'A part is claimed; the channel plugin is not called yet.',
  'deliver.called': 'The network has taken a part (or refused it); nothing of that is recorded.',
  'deliver.before-commit': 'The outcome of a part is written, uncommitted.',
  'deliver.recorded': 'The outcome of a part is committed; nobody has been told.',
  'jobs.before-task': 'A job is locked by this node; its task has not begun.',
  'jobs.task-done': 'A task is done; its job is not completed.',
})

export type FailPoint = keyof typeof failPoints

/** `crash`: SIGKILL to this process. `throw`: an error at this place. `pause`: stands still here, in milliseconds. */
interface Plan {
  readonly action: 'crash' | 'throw' | 'pause'
  readonly ms: number
  /** The how-many-th time the place is reached; it happens once. */
  readonly at: number
  reached: number
}

/**
 * Reads `name=action[:ms][@n]`, several separated by commas; SIGUSR2 makes it begin to count. Only a process with NODE_ENV=test looks at the variable: in any
 * other it is refused, so that no production node can carry it by accident. Throws TL_CONFIG_INVALID.
 */
export function readFailPoints(env: Readonly<Record<string, string | undefined>>): ReadonlyMap<FailPoint, Plan> | null {
  const text = env['THROUGHLINE_FAIL_POINTS']
  if (text === undefined || text === '') return null
  if (env['NODE_ENV'] !== 'test') {
    throw new ThroughlineError(
      'TL_CONFIG_INVALID',
      'THROUGHLINE_FAIL_POINTS is set, which breaks the engine on purpose. Remove it from the environment; the fault suite sets it together with NODE_ENV=test.',
    )
  }
  return new Map(text.split(',').map((one) => planOf(one.trim())))
}

function planOf(text: string): readonly [FailPoint, Plan] {
  const found = /^([\w.-]+)=(crash|throw|pause)(?::(\d+))?(?:@(\d+))?$/.exec(text)
  const name = found?.[1] ?? ''
  if (found === null || !Object.hasOwn(failPoints, name)) {
    throw new ThroughlineError(
      'TL_CONFIG_INVALID',
      `THROUGHLINE_FAIL_POINTS: "${text}" is no fail-point. Write name=crash, name=throw or name=pause:ms, with @n for the n-th time; the names stand in docs/reference/fail-points.md.`,
    )
  }
  const action = found[2] as Plan['action']
  return [name as FailPoint, { action, ms: Number(found[3] ?? 1_000), at: Number(found[4] ?? 1), reached: 0 }]
}

function armed(plans: ReadonlyMap<FailPoint, Plan>): (name: FailPoint) => Promise<void> {
  let counting = false
  // The node is to come up first: places are counted from the signal on.
  process.once('SIGUSR2', () => (counting = true))
  return async (name) => {
    const plan = plans.get(name)
    if (!counting || plan === undefined || ++plan.reached !== plan.at) return
    process.stderr.write(`fail-point ${name}: ${plan.action}\n`)
    if (plan.action === 'crash') {
      process.kill(process.pid, 'SIGKILL')
      // The signal may take a moment; nothing further happens in this process.
      await new Promise<never>(() => undefined)
    }
    if (plan.action === 'throw') {
      throw new ThroughlineError('TL_INTERNAL_FAILED', `the fail-point ${name} throws, as the fault suite asked for`)
    }
    await delay(plan.ms)
  }
}

const plans = readFailPoints(process.env)

/** `await failPoint?.('drain.claimed')`. null, and so nothing at all, unless the fault suite runs this process. */
export const failPoint: ((name: FailPoint) => Promise<void>) | null = plans === null ? null : armed(plans)
