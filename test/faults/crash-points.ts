import { pause } from '../src/support/eventually.js'
import type { Fault } from './fault.js'
import { armed, inWorld } from './nodes.js'

const points = [
  'ingress.before-commit',
  'ingress.committed',
  'drain.claimed',
  'drain.before-commit',
  'drain.committed',
  'sequencer.before-move',
  'sequencer.moved',
  'work.before-commit',
  'work.committed',
  'command.before-effect',
  'command.effect-done',
  'deliver.claimed',
  'deliver.called',
  'deliver.before-commit',
  'deliver.recorded',
  'jobs.before-task',
  'jobs.task-done',
]

/** While the agent still has room for new work. */
const workFirst = (a: string, b: string): number => Number(b.startsWith('work.')) - Number(a.startsWith('work.'))

/** With every change: one death at the door, one in the drain, one behind the network. */
const shortPoints = ['ingress.committed', 'drain.before-commit', 'deliver.called']

/** Every fail-point with every action, one after the other in one installation. */
export const crashPoints: Fault = {
  id: 'FP',
  what: 'crash, error and pause between every two side effects',
  how: `the ${points.length} fail-points of docs/reference/fail-points.md: a node dies there, and starts again; an error is thrown there; it stands still there for 2 s`,
  short: false,
  run: (server, { short }) =>
    inWorld(server, { id: 'FP', answerEvery: 8 }, async (world, recoveries, broken) => {
      let runs = 0
      for (const point of short ? shortPoints : [...points].sort(workFirst)) {
        await world.kill9(0)
        const node = await world.start(0, armed(`${point}=crash@2`))
        process.kill(node.pid, 'SIGUSR2')
        // New conversations are new work; the others have their agent already.
        if (point.startsWith('work.')) for (let i = 0; i < 3; i++) void world.traffic.one(`fresh-${point}-${i}`)
        const ended = await Promise.race([node.ended.then(() => true), pause(15_000).then(() => false)])
        if (!ended) {
          broken.push(`${point} was not reached`)
          continue
        }
        const died = performance.now()
        await world.start(0)
        await world.probe()
        recoveries.push(performance.now() - died)
        runs++
      }
      // Errors and pauses can be armed together: no place depends on another one. Deaths come one by one.
      for (const action of ['throw', 'pause:2000']) {
        await world.kill9(0)
        const node = await world.start(
          0,
          armed(points.map((point, i) => `${point}=${action}@${2 + (i % 3)}`).join(',')),
        )
        process.kill(node.pid, 'SIGUSR2')
        for (let i = 0; i < 4; i++) void world.traffic.one(`fresh-${action}-${i}`)
        await pause(12_000)
        const met = points.filter((point) => node.output().includes(`fail-point ${point}: `))
        runs += met.length
        if (node !== world.nodes[0]) broken.push(`the node ended at ${action}: ${node.output().slice(-500)}`)
        if (met.length < points.length - 3) broken.push(`${action} only at ${met.join(', ')}`)
      }
      return runs
    }),
}
