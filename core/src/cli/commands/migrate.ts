import { migrate as migrateStore } from '../../store/migrate.js'
import { cliLog } from '../cli-log.js'
import type { Command } from '../command.js'
import { exitCodes } from '../exit-codes.js'
import { loadForCommand } from '../load-for-command.js'
import { withStore } from '../with-store.js'

export const migrate: Command = {
  usage: 'migrate',
  summary: 'Bring the database to the schema of this release (also done at every start).',
  help: ['Forward only, under a lock: other nodes wait, and a second run finds nothing to do.'],
  async run(invocation) {
    const { terminal } = invocation
    const config = loadForCommand(invocation)
    await withStore(config, terminal, (store) => migrateStore(store, cliLog(terminal)))
    terminal.out('The database is up to date.')
    return exitCodes.ok
  },
}
