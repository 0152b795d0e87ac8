import type { Config, ConfigProblem } from '../../config/contract.js'
import { byPosition, loadConfig } from '../../config/load.js'
import { formatProblems } from '../../config/report.js'
import { checkSources } from '../check-sources.js'
import type { Command, Terminal } from '../command.js'
import { exitCodes } from '../exit-codes.js'

export const check: Command = {
  usage: 'check [--json]',
  summary: 'Check the configuration, the settings of plugins and the rule files.',
  help: ['Prints all problems at once, each with file, line, column and remedy. Exit code 78 when there is an error.'],
  options: { json: { type: 'boolean' } },
  async run({ terminal, options, configFile }) {
    const result = loadConfig({ file: configFile, env: terminal.env, cwd: terminal.cwd })
    const further = result.ok ? await furtherProblems(result.config, terminal.env) : []
    const problems = [...result.problems, ...further].sort(byPosition)
    const errors = problems.filter((item) => item.severity === 'error').length
    const warnings = problems.length - errors
    if (options['json'] === true) {
      terminal.out(JSON.stringify({ ok: errors === 0, errors, warnings, problems }, null, 2))
    } else {
      const secrets = result.config?.secrets ?? new Set<string>()
      if (problems.length > 0) terminal.out(`${formatProblems(problems, { cwd: terminal.cwd, secrets })}\n`)
      const summary = `${count(errors, 'error')}, ${count(warnings, 'warning')}`
      terminal.out(errors === 0 ? `${configFile}: fine (${summary})` : `${configFile}: ${summary}`)
    }
    return errors === 0 ? exitCodes.ok : exitCodes.configuration
  },
}

async function furtherProblems(config: Config, env: Terminal['env']): Promise<readonly ConfigProblem[]> {
  const lists = await Promise.all(checkSources.map(async (load) => (await load(env))(config)))
  return lists.flat()
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`
}
