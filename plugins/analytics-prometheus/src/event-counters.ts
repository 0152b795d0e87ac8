import type { LoggedEvent } from '@throughline/plugin-sdk'
import { Counter, Gauge, type Registry } from 'prom-client'

export interface EventCounters {
  /** Counts each position once, however often its batch is delivered. */
  count(batch: readonly LoggedEvent[]): void
}

/** An operator has a few dozen channels; should a label ever hold something else, it ends here. */
const maxChannels = 200

export function createEventCounters(registry: Registry, prefix: string): EventCounters {
  const registers = [registry]
  const events = new Counter({
    name: `${prefix}events_total`,
    help: 'Events of the log, by type and channel',
    labelNames: ['type', 'channel'] as const,
    registers,
  })
  const messages = new Counter({
    name: `${prefix}messages_total`,
    help: 'Messages, by direction and channel',
    labelNames: ['direction', 'channel'] as const,
    registers,
  })
  const deliveries = new Counter({
    name: `${prefix}deliveries_total`,
    help: 'What became of outgoing messages, by outcome and channel',
    labelNames: ['outcome', 'channel'] as const,
    registers,
  })
  const offers = new Counter({
    name: `${prefix}offers_total`,
    help: 'Offers to agents, by what became of them',
    labelNames: ['outcome'] as const,
    registers,
  })
  const position = new Gauge({
    name: `${prefix}events_position`,
    help: 'Last position of the log that was counted',
    registers,
  })
  const channels = new Set<string>()
  const channelOf = (event: LoggedEvent): string => {
    const { channel } = event.data
    if (typeof channel !== 'string') return ''
    if (channels.has(channel)) return channel
    if (channels.size >= maxChannels) return 'other'
    channels.add(channel)
    return channel
  }
  let last = 0

  return {
    count(batch) {
      for (const event of batch) {
        if (event.position <= last) continue
        last = event.position
        const channel = channelOf(event)
        events.inc({ type: event.type, channel })
        const [area, what = ''] = event.type.split('.')
        if (event.type === 'message.inbound') messages.inc({ direction: 'in', channel })
        else if (event.type === 'message.queued') messages.inc({ direction: 'out', channel })
        else if (area === 'message' && endStates.has(what)) deliveries.inc({ outcome: what, channel })
        else if (area === 'offer') offers.inc({ outcome: what })
      }
      position.set(last)
    },
  }
}

const endStates: ReadonlySet<string> = new Set(['sent', 'delivered', 'read', 'failed', 'unknown', 'dead', 'cancelled'])
