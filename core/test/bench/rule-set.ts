/** Made-up rules and facts for B6: the same in every run, by seed. */
export interface Rule {
  readonly id: string
  readonly when: unknown
  readonly then: Readonly<Record<string, unknown>>
  readonly stop?: boolean
}

export type Draw = (below: number) => number

/** A small seeded generator (mulberry32): whole numbers below a bound. */
export function draw(seed: number): Draw {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const KINDS = ['webchat', 'messaging', 'sms', 'email', 'social', 'voice']
const PRIORITIES = ['urgent', 'high', 'normal', 'low']
const TAGS = ['billing', 'refund', 'outage', 'press', 'legal', 'returning', 'trial', 'partner']
const TIERS = ['gold', 'silver', 'bronze', 'vip']
const WORDS = ['invoice', 'refund', 'broken', 'delivery', 'lamp', 'cancel', 'price', 'password', 'address', 'order']
const pick = <T>(list: readonly T[], next: Draw): T => list[next(list.length)] as T

const fact = (path: string) => ({ var: path })

/** Conditions as businesses write them, in plain JSON-logic. */
const plain: readonly ((next: Draw) => unknown)[] = [
  (next) => ({ '==': [fact('channel.kind'), pick(KINDS, next)] }),
  (next) => ({ in: [pick(TAGS, next), fact('conversation.tags')] }),
  (next) => ({ '!==': [fact('conversation.status'), pick(['open', 'pending'], next)] }),
  (next) => ({ in: [fact('conversation.priority'), [pick(PRIORITIES, next), pick(PRIORITIES, next)]] }),
  (next) => ({ '==': [fact('contact.tier'), pick(TIERS, next)] }),
  () => ({ '!': [fact('contact.verified')] }),
  (next) => ({ some: [fact('conversation.tags'), { '===': [fact(''), pick(TAGS, next)] }] }),
  (next) => ({ if: [fact('conversation.isNew'), { '==': [fact('channel.kind'), pick(KINDS, next)] }, false] }),
]
/** In operators of ours. */
const typed: readonly ((next: Draw) => unknown)[] = [
  (next) => ({ has_any: [fact('conversation.tags'), [pick(TAGS, next), pick(TAGS, next)]] }),
  (next) => ({ eq_ci: [fact('contact.tier'), pick(TIERS, next).toUpperCase()] }),
  (next) => ({ contains_word: [fact('message.text'), [pick(WORDS, next), pick(WORDS, next)]] }),
  (next) => ({ num_gte: [fact('message.length'), 50 * (1 + next(8))] }),
]

/** `count` rules, every one of which is asked; the last names the queue. */
export function ruleFile(count: number, own: boolean): { readonly $version: string; readonly rules: readonly Rule[] } {
  const next = draw(42)
  const condition = () => pick(own && next(3) === 0 ? typed : plain, next)(next)
  const rules = Array.from({ length: count - 1 }, (_, i) => ({
    id: `rule-${i}`,
    when:
      i % 3 === 0
        ? condition()
        : { [i % 3 === 1 ? 'and' : 'or']: Array.from({ length: 2 + next(3) }, () => condition()) },
    then: { tags: [`t${i}`] },
  }))
  return {
    $version: '1',
    rules: [...rules, { id: 'end', when: true, then: { queue: 'support', priority: 'normal' }, stop: true }],
  }
}

export function factsOf(next: Draw): Readonly<Record<string, unknown>> {
  const words = Array.from({ length: 5 + next(40) }, () => pick(WORDS, next)).join(' ')
  return {
    now: '2026-03-02T10:00:00Z',
    contact: {
      id: `c${next(1000)}`,
      accountManager: null,
      tier: next(2) === 0 ? pick(TIERS, next) : null,
      language: 'en',
      verified: next(2) === 0,
      attributes: {},
    },
    conversation: {
      id: `v${next(1000)}`,
      status: 'open',
      priority: pick(PRIORITIES, next),
      tags: Array.from({ length: next(4) }, () => pick(TAGS, next)),
      language: 'en',
      subject: null,
      isNew: next(2) === 0,
      lastAgent: null,
    },
    message: { text: words, length: words.length, automatic: false, hasAttachments: false },
    channel: { id: 'web', kind: pick(KINDS, next) },
  }
}
