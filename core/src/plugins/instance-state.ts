import type { Clock, Logger } from '@throughline/plugin-sdk'
import type { InstanceState } from './contract.js'
import type { Trouble } from './instance-status.js'

/** What an instance is in, why, and since when; tells the log and the listener of changes. */
export interface StateKeeper {
  readonly state: InstanceState
  readonly since: number
  readonly trouble: Trouble | null
  retryAt: number | null
  become(state: InstanceState, trouble: Trouble | null, retryAt: number | null): void
}

export function createStateKeeper(deps: {
  readonly clock: Clock
  /** Asked anew each time: it redacts more once the settings are known. */
  readonly log: () => Logger
  readonly onChange: (previous: InstanceState) => void
}): StateKeeper {
  let state: InstanceState = 'configured'
  let since = deps.clock.now()
  let trouble: Trouble | null = null
  let told = ''

  const tell = (previous: InstanceState, retryAt: number | null): void => {
    const log = deps.log()
    if (trouble === null || state === 'starting') {
      if (state === 'running') told = ''
      log[state === 'running' || state === 'stopped' ? 'info' : 'debug'](
        { state, previous },
        'plugin instance changed state',
      )
      return
    }
    const { code, message: reason, userAction } = trouble
    const retry = retryAt === null ? {} : { retryAt: new Date(retryAt).toISOString() }
    // The same failure at every retry is one piece of news.
    const news = `${state} ${code} ${reason}`
    log[news === told ? 'debug' : 'error'](
      { state, previous, code, reason, userAction, ...retry },
      'plugin instance is in trouble',
    )
    told = news
  }

  const keeper: StateKeeper = {
    get state() {
      return state
    },
    get since() {
      return since
    },
    get trouble() {
      return trouble
    },
    retryAt: null,
    become(next, why, retryAt) {
      const previous = state
      const same = previous === next && trouble?.code === why?.code && trouble?.message === why?.message
      // While it is tried again, the reason of the last failure stays in view.
      if (next !== 'starting') trouble = why
      keeper.retryAt = retryAt
      if (same) return
      if (previous !== next) since = deps.clock.now()
      state = next
      tell(previous, retryAt)
      deps.onChange(previous)
    },
  }
  return keeper
}
