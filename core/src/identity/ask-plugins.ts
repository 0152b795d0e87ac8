import type { Identity, Logger, Match, Sender } from '@throughline/plugin-sdk'
import type { Instance } from '../plugins/contract.js'
import { keysOf } from './keys.js'
import type { PreparedSender, SenderInput } from './senders.js'

export interface AskDeps {
  readonly log: Logger
  readonly plugins: () => readonly Instance<Identity>[]
}

const PLUGIN_MS = 500

/** Before the transaction: asks the identity plugins for normal forms. A failing one is left out, never waited for. */
export async function askPlugins(deps: AskDeps, inputs: readonly SenderInput[]): Promise<PreparedSender[]> {
  const asked: (readonly Match[])[] = inputs.map(() => [])
  for (const plugin of deps.plugins()) {
    try {
      const answers = await plugin.call('resolve', PLUGIN_MS, (live, signal) =>
        Promise.all(
          inputs.map(async (input) =>
            live.resolve({ channel: input.channel, sender: input.sender, hints: {} }, signal),
          ),
        ),
      )
      answers.forEach((matches, i) => (asked[i] = [...(asked[i] ?? []), ...matches]))
    } catch (error) {
      deps.log.warn(
        { instance: plugin.id, err: error },
        'an identity plugin did not answer; identifiers count as the channel gave them',
      )
    }
  }
  return inputs.map((input, i) => ({
    ...input,
    keys: keysOf(input.channel, input.sender, bounded(input.sender, asked[i] ?? [])),
  }))
}

/**
 * What the plugins said, never above what the channel said: of each kind at most as many verified identifiers as the channel
 * vouched for, otherwise all of that kind count as claimed. Without an answer, what the channel said.
 */
function bounded(sender: Sender, matches: readonly Match[]): readonly Match[] {
  const vouched = new Map<string, number>()
  if (sender.assurance !== 'claimed') {
    for (const identifier of sender.identifiers ?? []) {
      if (identifier.assurance === 'claimed') continue
      vouched.set(identifier.kind, (vouched.get(identifier.kind) ?? 0) + 1)
    }
  }
  if (matches.length === 0) {
    return (sender.identifiers ?? []).map((identifier) => ({
      identifier: { kind: identifier.kind, value: identifier.value },
      assurance: sender.assurance === 'claimed' ? 'claimed' : (identifier.assurance ?? 'verified'),
      confidence: 0.5,
      evidence: 'as the channel reported it',
    }))
  }
  const raised = new Map<string, Set<string>>()
  for (const { assurance, identifier } of matches) {
    if (assurance !== 'verified') continue
    raised.set(identifier.kind, (raised.get(identifier.kind) ?? new Set()).add(identifier.value))
  }
  return matches.map((match) =>
    match.assurance === 'verified' &&
    (raised.get(match.identifier.kind)?.size ?? 0) > (vouched.get(match.identifier.kind) ?? 0)
      ? { ...match, assurance: 'claimed' as const }
      : match,
  )
}
