import type { Config } from '../config/contract.js'
import { openStore, type Store } from '../store/store.js'
import { cliLog } from './cli-log.js'
import type { Terminal } from './command.js'

/** Opens the database for one command and closes it again, also after a failure. */
export async function withStore<T>(
  config: Config,
  terminal: Terminal,
  use: (store: Store) => Promise<T>,
  patienceMs = 10_000,
): Promise<T> {
  const { url, dataDir } = config.database
  const store = await openStore({ url: url ?? undefined, dataDir, poolSize: 2, patienceMs, log: cliLog(terminal) })
  try {
    return await use(store)
  } finally {
    await store.close()
  }
}
