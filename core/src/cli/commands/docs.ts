import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { configJsonSchema } from '../../config/json-schema.js'
import { ruleOperatorsPage } from '../../routing/rules/operator-docs.js'
import type { Command } from '../command.js'
import { exitCodes } from '../exit-codes.js'
import { installedPlugins } from '../installed-plugins.js'
import { configPage, errorsPage, failPointsPage } from '../reference-docs.js'

export const docs: Command = {
  usage: 'docs [--out DIR] [--check]',
  summary: 'Write the generated reference pages and the schema for editors.',
  help: ['With --check nothing is written; exit code 1 tells that a file is not what would be written.'],
  options: { out: { type: 'string' }, check: { type: 'boolean' } },
  async run({ terminal, options }) {
    const root = resolve(terminal.cwd, typeof options['out'] === 'string' ? options['out'] : '.')
    let stale = 0
    for (const [path, text] of await generatedFiles()) {
      const file = join(root, path)
      if (options['check'] === true) {
        const present = await readFile(file, 'utf8').catch(() => null)
        if (present === text) continue
        stale++
        terminal.err(`throughline: ${path} is not up to date: run \`npm run docs\` (TL_CLI_USAGE)`)
      } else {
        await mkdir(dirname(file), { recursive: true })
        await writeFile(file, text)
        terminal.out(path)
      }
    }
    return stale === 0 ? exitCodes.ok : exitCodes.failed
  },
}

/** Path from the root of the project, and content. */
export async function generatedFiles(): Promise<readonly (readonly [string, string])[]> {
  const plugins = await installedPlugins()
  return [
    ['docs/reference/errors.md', errorsPage()],
    ['docs/reference/config.md', configPage(plugins)],
    ['docs/reference/fail-points.md', failPointsPage()],
    ['docs/reference/rule-operators.md', ruleOperatorsPage()],
    ['config/throughline.schema.json', `${JSON.stringify(configJsonSchema(plugins), null, 2)}\n`],
  ]
}
