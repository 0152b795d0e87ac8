import { createHash } from 'node:crypto'
import { type Clock, PluginError, type State } from '@throughline/plugin-sdk'

const HOUR_MS = 3_600_000
const PREFIX = 'auto-reply:'

/**
 * Counts automatic answers per recipient and hour, over all nodes (compare-and-swap on the shared state). Two machines that
 * answer each other stop here when nothing else stopped them. Key: recipient's hash and hour; a part is counted once,
 * whatever number of times it is tried.
 */
export async function countAutoReply(
  deps: { readonly state: State; readonly clock: Clock; readonly limit: number },
  recipient: string,
  part: string,
): Promise<void> {
  const hour = Math.floor(deps.clock.now() / HOUR_MS)
  const who = createHash('sha256').update(recipient).digest('hex').slice(0, 32)
  const key = `${PREFIX}${hour}:${who}`
  for (let attempt = 0; attempt < 20; attempt++) {
    const parts = await deps.state.get<readonly string[]>(key)
    if (parts?.includes(part) === true) return
    if ((parts?.length ?? 0) >= deps.limit) {
      throw new PluginError(
        'permanent',
        `more than ${deps.limit} automatic answers to one address within an hour (autoReplyLimit)`,
        {
          userMessage: 'Not sent: too many automatic answers to this address within an hour',
        },
      )
    }
    if (await deps.state.cas(key, parts, [...(parts ?? []), part])) return
  }
  throw new PluginError('retryable', 'automatic answers to one address are counted by too many nodes at once')
}

/** Removes the counters of past hours. */
export async function forgetAutoReplies(state: State, clock: Clock): Promise<void> {
  const hour = Math.floor(clock.now() / HOUR_MS)
  for (const { key } of await state.list(PREFIX)) {
    const counted = Number(key.slice(PREFIX.length).split(':')[0])
    if (!(counted >= hour)) await state.delete(key)
  }
}
