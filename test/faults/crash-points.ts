import { pause } from '../src/support/eventually.js'
import type { Fault } from './fault.js'
import { armed, inWorld } from './nodes.js'
import type { World } from './world.js'

const points = [
  'work.before-commit',
  'work.committed',
  'ingress.before-commit',
  'ingress.committed',
  'drain.claimed',
  'drain.before-commit',
  'drain.committed',
  'sequencer.before-move',
  'sequencer.moved',
  'command.before-effect',
  'command.effect-done',
  'deliver.claimed',
  'deliver.called',
  'deliver.before-commit',
  'deliver.recorded',
  'jobs.before-task',
  'jobs.task-done',
]

/** With every change: one death at the door, one in the drain, one behind the network. */
const shortPoints = ['ingress.committed', 'drain.before-commit', 'deliver.called']

/** How long a place may take to be reached, on a machine that does other things as well. */
const PATIENCE_MS = 40_000

/** Starts the node with these plans, and brings new work until each place was reached or the patience is over. Answers those that were not. */
async function meet(world: World, plans: Readonly<Record<string, string>>, title: string): Promise<readonly string[]> {
  await world.kill9(0)
  const node = await world.start(
    0,
    armed(
      Object.entries(plans)
        .map((plan) => plan.join('='))
        .join(','),
    ),
  )
  process.kill(node.pid, 'SIGUSR2')
  const missing = (): string[] => Object.keys(plans).filter((point) => !node.output().includes(`fail-point ${point}: `))
  const end = performance.now() + PATIENCE_MS
  for (let n = 0; missing().length > 0 && world.nodes[0] === node && performance.now() < end; n++) {
    // A new conversation is new work to offer; those of the other lanes have their agent already.
    void world.traffic.one(`fresh-${title}-${n}`)
    await pause(500)
  }
  return missing()
}

/** Every fail-point with every action, one after the other in one installation. */
export const crashPoints: Fault = {
  id: 'FP',
  what: 'crash, error and pause between every two side effects',
  how: `the ${points.length} fail-points of docs/reference/fail-points.md, each with each action: the node dies there and starts again; an error is thrown there; it stands still there for 2 s`,
  short: false,
  run: (server, { short }) =>
    inWorld(server, { id: 'FP', answerEvery: 25 }, async (world, recoveries, broken) => {
      let runs = 0
      const chosen = short ? shortPoints : points
      for (const point of chosen) {
        for (const one of await meet(world, { [point]: 'crash@2' }, point)) broken.push(`crash: ${one} was not reached`)
        const node = world.nodes[0]
        // Its output comes before its end.
        await Promise.race([node?.ended, pause(5_000)])
        if (world.nodes[0] !== null) continue
        const died = performance.now()
        await world.start(0)
        await world.probe()
        recoveries.push(performance.now() - died)
        runs++
      }
      // Errors and pauses are armed together: no place depends on another one. Deaths come one by one.
      for (const action of ['throw', 'pause:2000']) {
        const plans = Object.fromEntries(chosen.map((point, i) => [point, `${action}@${2 + (i % 3)}`]))
        const missing = await meet(world, plans, action)
        if (world.nodes[0] === null) broken.push(`the node ended at ${action}`)
        for (const one of missing) broken.push(`${action}: ${one} was not reached`)
        runs += chosen.length - missing.length
        await world.probe()
      }
      return runs
    }),
}
