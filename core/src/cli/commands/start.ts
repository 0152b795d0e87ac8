import type { Command } from '../command.js'
import type { RunningEngine } from '../engine-entry.js'
import { exitCodes } from '../exit-codes.js'
import { loadForCommand } from '../load-for-command.js'
import { supervise } from '../supervise.js'

/** A stop that takes longer is cut short: work is safe in the database, and other nodes take over. */
const stopMs = 25_000

export const start: Command = {
  usage: 'start [--supervise]',
  summary: 'Run the engine until it is told to stop (SIGTERM or SIGINT).',
  help: [
    'It stops within 25 seconds and loses nothing. A second signal ends it at once.',
    '--supervise  starts it again when it dies, where no systemd and no container does',
  ],
  options: { supervise: { type: 'boolean' } },
  async run(invocation) {
    loadForCommand(invocation)
    if (invocation.options['supervise'] === true) {
      const { terminal, configFile } = invocation
      const command = [
        process.execPath,
        ...process.execArgv,
        process.argv[1] ?? '',
        'start',
        '--config',
        configFile,
      ] as const
      return supervise({ command, env: terminal.env, cwd: terminal.cwd, err: terminal.err })
    }
    const engine = await invocation.engine()
    const { terminal, configFile } = invocation
    return untilStopped(() => engine.startEngine({ configFile, env: terminal.env }), terminal.err)
  },
}

/**
 * Resolves with the exit code. A first signal stops in good order, bounded; a second one, or the bound, ends the
 * process at once. Signals that come while the engine still starts are kept until it has started.
 */
async function untilStopped(startEngine: () => Promise<RunningEngine>, err: (text: string) => void): Promise<number> {
  const stopRequest = new AbortController()
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopRequest.signal.aborted) {
      err(`throughline: ${signal} again: ending at once, unfinished work is taken up at the next start`)
      process.exit(exitCodes.failed)
    }
    stopRequest.abort()
    setTimeout(() => {
      err(
        `throughline: stopping took longer than ${stopMs / 1000} s: ended, unfinished work is taken up at the next start`,
      )
      process.exit(exitCodes.failed)
    }, stopMs).unref()
  }
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal)
  try {
    const engine = await startEngine()
    const asked = new Promise<'asked'>((resolve) => {
      if (stopRequest.signal.aborted) resolve('asked')
      else stopRequest.signal.addEventListener('abort', () => resolve('asked'), { once: true })
    })
    const first = await Promise.race([asked, engine.done])
    if (first !== 'asked') return first
    await engine.stop()
    return exitCodes.ok
  } finally {
    process.off('SIGTERM', onSignal).off('SIGINT', onSignal)
  }
}
