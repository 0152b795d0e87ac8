import { loadavg } from 'node:os'
import { availableParallelism } from 'node:os'
import { createDatabase, query, startDatabase } from '../database.js'
import { createScope } from '../scope.js'
import { measureMessages } from './measure-messages.js'
import { measureNotify, measureRandomIds, measureSequencer, measureSockets, measureSweep } from './measure-limits.js'
import type { Measured } from './measured.js'

export interface Sizes {
  readonly messages: number
  readonly answers: number
  readonly sockets: number
}

/** Measures the inputs of the model on this machine, on the product's own PostgreSQL with the product's settings. */
export async function measure(sizes: Sizes, say: (text: string) => void): Promise<Measured> {
  const scope = createScope()
  try {
    const server = await startDatabase(scope)
    const url = await createDatabase(server, 'scaling')
    const [version] = await query(url, 'show server_version')
    say(`${sizes.messages} messages and ${sizes.answers} answers through an engine`)
    const inner = createScope()
    const figures = await measureMessages(inner, url, sizes.messages, sizes.answers).finally(() => inner.end())
    const load = loadavg()[0] ?? Number.NaN
    say(`${sizes.sockets} agents' sockets`)
    const other = await createDatabase(server, 'scaling_sockets')
    const sockets = await measureSockets(scope, other, sizes.sockets, figures.inbound.engineMs)
    say('the sequencer, NOTIFY, indexes, retention')
    return {
      machine: {
        cores: availableParallelism(),
        load,
        node: process.version,
        postgres: String(version?.['server_version']),
      },
      ...figures,
      ...sockets,
      sequencedPerS: await measureSequencer(other, 200_000),
      notifyPerS: { few: await measureNotify(other, 2, 4_000), many: await measureNotify(other, 32, 4_000) },
      randomIdIndexRow: await measureRandomIds(other, 200_000),
      sweep: await measureSweep(url),
    }
  } finally {
    await scope.end()
  }
}
