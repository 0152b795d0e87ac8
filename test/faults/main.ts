import { createScope, type Scope } from '../bench/scope.js'
import { changeFaults } from './change-faults.js'
import { crashPoints } from './crash-points.js'
import { crowdFaults } from './crowd-faults.js'
import { databaseFaults } from './database-faults.js'
import { startServer } from './database.js'
import type { Budget, Fault } from './fault.js'
import { nodeFaults } from './nodes.js'
import { outsideFaults } from './outside-faults.js'
import { writePage, writeSoak } from './page.js'
import { passed, table, type Row } from './report.js'
import { soakPage, soakPassed } from './soak-report.js'
import { soak } from './soak.js'

/**
 * `npm run test:faults [F1 F7 …] [--short] [--seconds n] [--write]` or `soak [--minutes n] [--write]`: brings faults about under load and compares ledgers at the
 * network, at an agent's socket and in the database. docs/reliability.md says how to read the
 * table; --write puts the rows of this run into it.
 */
const faults: readonly Fault[] = [
  ...nodeFaults,
  ...databaseFaults,
  ...outsideFaults,
  ...crowdFaults,
  ...changeFaults,
  crashPoints,
]

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  if (args[0] === 'soak') return longRun(args)
  const short = args.includes('--short')
  const at = args.indexOf('--seconds')
  const seconds = at < 0 ? (short ? 5 : 30) : Number(args[at + 1])
  const named = args
    .filter((arg, i) => !arg.startsWith('--') && (at < 0 || i !== at + 1))
    .map((arg) => arg.toUpperCase())
  const unknown = named.filter((name) => !faults.some(({ id }) => id === name))
  if (unknown.length > 0 || !(seconds > 0)) {
    console.error(`test:faults: there is no ${unknown.join(', ')}; there are ${faults.map(({ id }) => id).join(', ')}`)
    return 64
  }
  const budget: Budget = { seconds, short }
  const chosen = faults.filter((fault) => (named.length > 0 ? named.includes(fault.id) : !short || fault.short))
  const scope = interruptible()
  const rows: Row[] = []
  try {
    const server = await startServer(scope)
    for (const fault of chosen) {
      const began = performance.now()
      const row: Row = {
        fault,
        outcome: await fault.run(server, budget).catch((error: unknown) => ({ error: String(error) })),
      }
      rows.push(row)
      if (args.includes('--write')) await writePage([row])
      const took = ((performance.now() - began) / 1000).toFixed(0)
      console.log(`${passed(row) ? 'ok  ' : 'FAIL'} ${fault.id} ${fault.what} (${took} s)`)
      if ('error' in row.outcome) console.log(`     ${row.outcome.error}`)
      else for (const line of [...row.outcome.broken, ...row.outcome.verdict.findings]) console.log(`     ${line}`)
    }
  } finally {
    await scope.end()
  }
  console.log(`\n${table(rows)}\n`)
  const good = rows.filter(passed).length
  console.log(`${good} passed, ${rows.length - good} failed`)
  return good === rows.length ? 0 : 1
}

/** `soak [--minutes n] [--write]` */
async function longRun(args: readonly string[]): Promise<number> {
  const at = args.indexOf('--minutes')
  const minutes = at < 0 ? 20 : Number(args[at + 1])
  if (!(minutes >= 1)) {
    console.error('test:faults soak: --minutes wants a number from 1 on')
    return 64
  }
  const scope = interruptible()
  try {
    const server = await startServer(scope)
    const result = await soak(server, minutes, (line) => console.log(line))
    for (const line of result.verdict.findings) console.log(`     ${line}`)
    console.log(`\n${soakPage(result)}\n`)
    if (args.includes('--write')) await writeSoak(soakPage(result))
    const good = soakPassed(result)
    console.log(good ? '1 passed, 0 failed' : '0 passed, 1 failed')
    return good ? 0 : 1
  } finally {
    await scope.end()
  }
}

/** Told to stop, the suite takes its PostgreSQL along; the engines end with this process. */
function interruptible(): Scope {
  const scope = createScope()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void scope.end().finally(() => process.exit(130)))
  return scope
}
