import { configJsonSchema } from '../../config/json-schema.js'
import type { Command } from '../command.js'
import { exitCodes } from '../exit-codes.js'
import { installedPlugins } from '../installed-plugins.js'

export const config: Command = {
  usage: 'config schema',
  summary: 'Print the JSON Schema of the configuration for editors, plugins included.',
  actions: ['schema'],
  async run({ terminal }) {
    terminal.out(JSON.stringify(configJsonSchema(await installedPlugins()), null, 2))
    return exitCodes.ok
  },
}
