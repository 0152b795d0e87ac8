import type { Logger } from '@throughline/plugin-sdk'
import type { Kysely } from 'kysely'
import type { Tables } from '../store/tables.js'
import { Listener } from './listener.js'
import { notify } from './outbox-store.js'
import type { Heard, Wire } from './wire.js'

const EVENTS = 'throughline_events'
const EPHEMERAL = 'throughline_ephemeral'

export interface NotifyWireDeps {
  readonly db: Kysely<Tables>
  readonly url: string
  readonly log: Logger
}

/** The default: PostgreSQL's LISTEN/NOTIFY. The function that gives positions tells the others by itself. */
export function createNotifyWire({ db, url, log }: NotifyWireDeps, heard: Heard): Wire {
  const listener = new Listener({
    url,
    log,
    channels: [EVENTS, EPHEMERAL],
    heard: (channel, payload) => {
      if (channel === EVENTS) heard.events(payload === null ? Infinity : Number(payload))
      else if (payload !== null) heard.ephemeral(payload)
    },
  })
  return {
    get connected() {
      return listener.connected
    },
    start: () => listener.start(),
    stop: () => listener.stop(),
    moved: () => undefined,
    publish(payload) {
      notify(db, EPHEMERAL, payload).catch((error: unknown) =>
        log.debug({ err: error }, 'an ephemeral hint was not published'),
      )
    },
  }
}
