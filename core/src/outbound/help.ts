import type { EventReader } from '../events/contract.js'

const TOPIC = 'outbound.help'
/** A node asks so often, channel by channel, at the first moment and at the last. */
const EVERY_MS = 1_000

/** Nodes that deliver help each other: one whose places are all taken tells the rest that more may wait. A hint, never the truth. */
export interface Help {
  ask(channel: string): void
  stop(): void
}

export function createHelp(hints: Pick<EventReader, 'publish' | 'onEphemeral'>, wake: (channel: string) => void): Help {
  const asked = new Map<string, { again: boolean; readonly timer: NodeJS.Timeout }>()
  const stopHearing = hints.onEphemeral(TOPIC, ({ channel }) => {
    if (typeof channel === 'string') wake(channel)
  })
  const ask = (channel: string): void => {
    const known = asked.get(channel)
    if (known !== undefined) {
      known.again = true
      return
    }
    const timer = setTimeout(() => {
      const { again } = asked.get(channel) ?? { again: false }
      asked.delete(channel)
      if (again) ask(channel)
    }, EVERY_MS)
    asked.set(channel, { again: false, timer: timer.unref() })
    hints.publish(TOPIC, { channel })
  }
  return Object.freeze({
    ask,
    stop() {
      stopHearing()
      for (const { timer } of asked.values()) clearTimeout(timer)
      asked.clear()
    },
  } satisfies Help)
}
