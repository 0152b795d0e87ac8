import { resolve } from 'node:path'
import { stat } from 'node:fs/promises'
import { createBackup } from '../../backup/backup.js'
import { cliLog } from '../cli-log.js'
import { UsageError, type Command } from '../command.js'
import { exitCodes } from '../exit-codes.js'
import { loadForCommand } from '../load-for-command.js'
import { releaseName } from '../release.js'
import { withStore } from '../with-store.js'

export const backup: Command = {
  usage: 'backup FILE',
  summary: 'Write everything the installation knows, attachments included, into one .tar.gz.',
  help: [
    'All tables as of one moment; engines may go on working. The file holds the key everything is signed with: keep it',
    'like a password. An existing file is not overwritten.',
  ],
  async run({ terminal, positionals, ...invocation }) {
    const [name, ...more] = positionals
    if (name === undefined || more.length > 0) throw new UsageError('name one file: throughline backup FILE')
    const config = loadForCommand({ terminal, positionals, ...invocation })
    const file = resolve(terminal.cwd, name)
    const log = cliLog(terminal)
    const manifest = await withStore(config, terminal, ({ url }) =>
      createBackup({ url, filesDir: config.files.dir, file, release: releaseName(), log }),
    )
    const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0)
    const { size } = await stat(file)
    terminal.out(
      `${file}: ${manifest.tables.length} tables, ${rows} rows, ${manifest.files.count} files, ` +
        `${(size / 1_048_576).toFixed(1)} MB, as of ${manifest.at}`,
    )
    const missing = manifest.files.missing.length
    if (missing > 0) {
      terminal.err(
        `throughline: ${missing} attachments are not in ${config.files.dir} and therefore not in the backup. ` +
          'Run it on a node that sees the shared folder of files.',
      )
    }
    return exitCodes.ok
  },
}
