import type { Logger } from '@throughline/plugin-sdk'
import { currentAttribution } from './attribution.js'
import { describe } from './context.js'
import type { SupervisedHost } from './host.js'

export interface CrashDeps {
  /** Ends the process. Rows carry the truth, so leaving loses nothing; going on in an unknown state might. */
  readonly exit: (code: number) => void
}

/**
 * Errors that nobody caught. Attributed to a plugin instance (by async context, else by the files of the stack): that
 * instance is started again and the engine runs on. Not attributed: the process ends with 1. Returns the undo function.
 */
export function installCrashAttribution(host: SupervisedHost, log: Logger, deps: CrashDeps): () => void {
  const handle = (origin: 'unhandledRejection' | 'uncaughtException') => (error: unknown) => {
    const fromContext = currentAttribution()?.instance
    const stack = error instanceof Error ? (error.stack ?? '') : ''
    const guilty = fromContext === undefined ? host.blame(stack) : [fromContext]
    if (guilty.length > 0) {
      for (const instance of guilty) {
        log.error(
          { instance, origin, ...describe(error) },
          'an error escaped from a plugin; the instance is started again',
        )
        host.crashed(instance, error)
      }
      return
    }
    log.error({ origin, ...describe(error) }, 'an error that nobody caught; the process ends')
    deps.exit(1)
  }
  const rejection = handle('unhandledRejection')
  const exception = handle('uncaughtException')
  process.on('unhandledRejection', rejection)
  process.on('uncaughtException', exception)
  return () => {
    process.off('unhandledRejection', rejection)
    process.off('uncaughtException', exception)
  }
}
