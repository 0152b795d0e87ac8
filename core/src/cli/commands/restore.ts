import { resolve } from 'node:path'
import { restoreBackup } from '../../backup/restore.js'
import { verifyBackup } from '../../backup/verify.js'
import { cliLog } from '../cli-log.js'
import { UsageError, type Command } from '../command.js'
import { exitCodes } from '../exit-codes.js'
import { loadForCommand } from '../load-for-command.js'
import { withStore } from '../with-store.js'

export const restore: Command = {
  usage: 'restore FILE [--yes] [--check]',
  summary: 'Put a backup back, into an empty database or, with --yes, in place of everything that is there.',
  help: [
    'Stop all engines first. The file is verified before anything changes, and a failure leaves the database as it was.',
    'Afterwards every client starts over from a fresh snapshot, and answers that were on their way are held until',
    '`throughline outbound release` or an agent sends them. --check only verifies the file.',
  ],
  options: { yes: { type: 'boolean' }, check: { type: 'boolean' } },
  async run({ terminal, positionals, options, ...invocation }) {
    const [name, ...more] = positionals
    if (name === undefined || more.length > 0) throw new UsageError('name one file: throughline restore FILE')
    const file = resolve(terminal.cwd, name)
    if (options['check'] === true) {
      const { tables, files, at, release } = await verifyBackup(file)
      const rows = tables.reduce((sum, table) => sum + table.rows, 0)
      terminal.out(
        `whole: ${tables.length} tables, ${rows} rows, ${files.count} files, as of ${at}, release ${release}`,
      )
      return exitCodes.ok
    }
    const config = loadForCommand({ terminal, positionals, options, ...invocation })
    const { manifest, held } = await withStore(config, terminal, ({ url }) =>
      restoreBackup({
        url,
        filesDir: config.files.dir,
        file,
        replace: options['yes'] === true,
        log: cliLog(terminal),
      }),
    )
    const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0)
    terminal.out(`Restored ${rows} rows and ${manifest.files.count} files as of ${manifest.at}. Start the engine.`)
    if (held > 0) {
      terminal.out(
        `${held} answers were on their way and are held as unknown: they may have been sent since. ` +
          '`throughline outbound list` shows them, `throughline outbound release` sends them.',
      )
    }
    return exitCodes.ok
  },
}
