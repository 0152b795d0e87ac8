import type { Config } from '../config/contract.js'
import { loadConfig } from '../config/load.js'
import { formatProblems, problemText } from '../config/report.js'
import { ThroughlineError, type ErrorCode } from '../errors.js'
import type { Invocation } from './command.js'

/** The configuration for a command that needs one. All problems go to standard error; a broken root ends the command. */
export function loadForCommand(invocation: Invocation): Config {
  const { terminal, configFile } = invocation
  const result = loadConfig({ file: configFile, env: terminal.env, cwd: terminal.cwd })
  if (result.ok) return result.config
  terminal.err(`${formatProblems(result.problems, { cwd: terminal.cwd })}\n`)
  const first = result.problems.find((item) => item.severity === 'error') ?? result.problems[0]
  const message = first === undefined ? 'the configuration is not valid' : problemText(first, terminal.cwd)
  const code = (first?.code ?? 'TL_CONFIG_INVALID') as ErrorCode
  throw new ThroughlineError(code, message)
}
