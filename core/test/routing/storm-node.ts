// A node of its own process: does what `acts` knows in any order until it is killed. Arguments: database URL, seed.
// Tells its parent over IPC: `ready`, each sweep with its begin and end, and every error that is not a refusal.
import { isThroughlineError } from '../../src/errors.js'
import { Sequencer } from '../../src/events/sequencer.js'
import { openStore } from '../../src/store/store.js'
import { draw } from '../bench/rule-set.js'
import { silentLog } from '../support/cluster.js'
import { ACTS, act, type Command } from './acts.js'
import { node } from './harness.js'
import { STORM_QUEUES, type StormMessage } from './storm.js'

const [url = '', seed = '1'] = process.argv.slice(2)
const tell = (message: StormMessage): void => void process.send?.(message)
const store = await openStore({ url, dataDir: '', log: silentLog, poolSize: 5 })
const writer = new Sequencer({ db: store.db, log: silentLog, moved: () => undefined })
writer.start()
const here = node(store, { queues: STORM_QUEUES, writer })
const next = draw(Number(seed))
const sessions = new Map<string, string>()
/** More comes in than goes out by itself. */
const OFTEN = ['arrive', 'arrive', 'connect', 'accept', 'accept', 'decline', 'runOut', 'complete'] as const

process.once('disconnect', () => process.exit(0))
tell({ kind: 'ready' })
for (;;) {
  const list = next(3) === 0 ? ACTS : OFTEN
  const command: Command = { what: list[next(list.length)]!, node: 0, pick: next(1000), other: next(1000) }
  await act(store, here, command, sessions).catch((error: unknown) => {
    if (!isThroughlineError(error)) tell({ kind: 'fault', what: `${command.what}: ${String(error)}` })
  })
  if (next(12) === 0) {
    const begin = Date.now()
    await here.sweep()
    await here.settled()
    tell({ kind: 'swept', begin, end: Date.now() })
  }
  for (const warning of here.warnings.splice(0)) tell({ kind: 'fault', what: JSON.stringify(warning) })
}
