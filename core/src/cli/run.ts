import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { didYouMean } from '../suggest.js'
import { isThroughlineError } from '../errors.js'
import { UsageError, type Command, type Terminal } from './command.js'
import { loadEngine, type EngineEntry } from './engine-entry.js'
import { exitCodes } from './exit-codes.js'
import { processTerminal } from './process-terminal.js'
import { releaseName } from './release.js'
import { commands } from './table.js'

/** Runs one command and answers its exit code. Every failure is one line: what happened and how to fix it. */
export async function run(
  argv: readonly string[],
  terminal: Terminal = processTerminal(),
  engine: () => Promise<EngineEntry> = loadEngine,
): Promise<number> {
  try {
    return await dispatch(argv, terminal, engine)
  } catch (error) {
    return explain(error, terminal)
  }
}

async function dispatch(
  argv: readonly string[],
  terminal: Terminal,
  engine: () => Promise<EngineEntry>,
): Promise<number> {
  const [name, ...rest] = argv
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    const wanted = name === 'help' ? rest[0] : undefined
    if (wanted !== undefined) return dispatch([wanted, '--help'], terminal, engine)
    terminal.out(overview())
    return name === undefined ? exitCodes.usage : exitCodes.ok
  }
  if (name === '--version' || name === '-v' || name === 'version') {
    terminal.out(releaseName())
    return exitCodes.ok
  }
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (entry === undefined) {
    const near = didYouMean(name, Object.keys(commands))
    throw new UsageError(`unknown command "${name}"${near}: run \`throughline --help\` for the list`)
  }
  const command = await entry.load()
  const { values, positionals } = parse(command, name, rest)
  if (values['help'] === true) {
    terminal.out(helpPage(command))
    return exitCodes.ok
  }
  const action = positionals[0]
  if (command.actions !== undefined && (action === undefined || !command.actions.includes(action))) {
    const near = action === undefined ? '' : didYouMean(action, command.actions)
    const what =
      action === undefined ? `\`${name}\` needs to be told what to do` : `unknown \`${name} ${action}\`${near}`
    throw new UsageError(`${what}: use one of ${command.actions.join(', ')}`)
  }
  const chosen = values['config'] ?? terminal.env['THROUGHLINE_CONFIG']
  const configFile = resolve(
    terminal.cwd,
    typeof chosen === 'string' && chosen !== '' ? chosen : 'config/throughline.yaml',
  )
  return command.run({ terminal, positionals, options: values, configFile, engine })
}

interface Parsed {
  readonly values: Readonly<Record<string, string | boolean | undefined>>
  readonly positionals: readonly string[]
}

function parse(command: Command, name: string, args: readonly string[]): Parsed {
  const options = { ...command.options, config: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
    return { values: values, positionals }
  } catch (error) {
    const unknown = /Unknown option '(--?[^']+)'/.exec(error instanceof Error ? error.message : '')?.[1]
    if (unknown !== undefined) {
      const near = didYouMean(unknown.replace(/^-+/, ''), Object.keys(options)).replace(/"(.*)"/, '"--$1"')
      throw new UsageError(`unknown option ${unknown}${near}: run \`throughline ${name} --help\``)
    }
    const message = error instanceof Error ? (error.message.split('\n')[0] ?? '').replace(/\.$/, '') : 'wrong options'
    throw new UsageError(`${message}: run \`throughline ${name} --help\``)
  }
}

function overview(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length))
  const lines = Object.entries(commands).map(([name, entry]) => `  ${name.padEnd(width)}  ${entry.summary}`)
  return [
    'throughline: one conversation, every channel',
    '',
    'Usage: throughline <command> [options]',
    '',
    ...lines,
    '',
    'Options of every command:',
    '  --config FILE  the configuration (else THROUGHLINE_CONFIG, else config/throughline.yaml)',
    '  --help         what the command does',
  ].join('\n')
}

function helpPage(command: Command): string {
  const options = Object.entries(command.options ?? {}).map(([name, option]) => {
    return `  --${name}${option.type === 'string' ? ' VALUE' : ''}`
  })
  return [
    `Usage: throughline ${command.usage}`,
    '',
    command.summary,
    ...(command.help === undefined ? [] : ['', ...command.help]),
    '',
    'Options:',
    ...options,
    '  --config FILE',
    '  --help',
  ].join('\n')
}

/** `throughline: <what>: <how to fix> (CODE)`, and the exit code that goes with it. */
function explain(error: unknown, terminal: Terminal): number {
  if (error instanceof UsageError) {
    terminal.err(`throughline: ${error.message} (TL_CLI_USAGE)`)
    return exitCodes.usage
  }
  const message = error instanceof Error ? error.message.replaceAll(/\s*\n\s*/g, ' ') : String(error)
  if (isThroughlineError(error)) {
    terminal.err(`throughline: ${message} (${error.code})`)
    if (error.code.startsWith('TL_CONFIG_')) return exitCodes.configuration
    return error.code === 'TL_STORE_UNAVAILABLE' ? exitCodes.unavailable : exitCodes.failed
  }
  terminal.err(`throughline: ${message}: this is a fault of the engine, please report it (TL_INTERNAL_FAILED)`)
  if (terminal.env['THROUGHLINE_DEBUG'] === '1' && error instanceof Error) terminal.err(error.stack ?? '')
  return exitCodes.failed
}
