import type { Logger } from '@throughline/plugin-sdk'
import type { Kysely } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { Trouble } from './instance-status.js'
import { liveStrikes } from './quarantine-store.js'
import type { Strike } from './strike-store.js'

const everyMs = 5_000

export interface QuarantineDeps {
  readonly db: Kysely<Tables>
  readonly log: Logger
  readonly instances: readonly {
    readonly id: string
    /** null: it may run. Returns at once. */
    confine(trouble: Trouble | null): void
  }[]
}

export interface Quarantine {
  /** Before anything starts: what took a process down is not started again. */
  start(): Promise<void>
  stop(): Promise<void>
}

/**
 * One strike and an instance is out, on every node, until somebody lets it run again: nodes look at the strikes at their
 * start and every five seconds, so that a payload which took one node down does not take the next one down as well.
 */
export function createQuarantine({ db, log, instances }: QuarantineDeps): Quarantine {
  let timer: NodeJS.Timeout | undefined
  let turn: Promise<void> = Promise.resolve()
  const look = async (): Promise<void> => {
    const strikes = new Map((await liveStrikes(db)).map((strike) => [strike.instance, strike]))
    for (const instance of instances) {
      const strike = strikes.get(instance.id)
      instance.confine(strike === undefined ? null : troubleOf(strike))
    }
  }
  const again = (): void => {
    turn = look()
      .catch((error: unknown) =>
        log.debug({ name: (error as Error).name }, 'strikes against plugins could not be read'),
      )
      .then(() => void (timer = setTimeout(again, everyMs).unref()))
  }
  return Object.freeze({
    async start() {
      await look()
      timer = setTimeout(again, everyMs).unref()
    },
    async stop() {
      clearTimeout(timer)
      await turn
      clearTimeout(timer)
    },
  } satisfies Quarantine)
}

function troubleOf({ instance, operation, host }: Strike): Trouble {
  return {
    state: 'quarantined',
    code: 'TL_PLUGIN_BLOCKED',
    message: `${operation} did not give the event loop back on ${host}, and took its process down`,
    userAction: `Mend or replace the plugin, then run \`throughline plugin release ${instance}\`; nothing of it runs until then.`,
  }
}
