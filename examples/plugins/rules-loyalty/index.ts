import { defineRouting, type FactSubject } from '@throughline/plugin-sdk'

const levels = ['none', 'bronze', 'silver', 'gold'] as const
const least = [-Infinity, 100, 1_000, 10_000]

/** Points to the name of a level; a customer without points has the lowest. */
function levelOf(points: number): number {
  return least.reduce((level, from, index) => (points >= from ? index : level), 0)
}

function accountOf({ identifiers }: FactSubject): string | null {
  // Only what is proven: whoever merely claims a number must not jump the queue with it.
  return identifiers.find(({ kind, assurance }) => kind === 'account' && assurance === 'verified')?.value ?? null
}

/** Has no routes of its own: the instance is there for the facts, the definition for the operator. */
export default defineRouting({
  name: 'loyalty',
  version: '0.1.0',
  title: 'Loyalty points in rule files',
  docs: 'README.md',
  config: {
    type: 'object',
    required: ['url', 'token'],
    properties: {
      url: {
        type: 'string',
        description: 'Address that answers POST {"accounts": […]} with {"points": {"4711": 250}}',
      },
      token: { type: 'string', secret: true, description: 'Bearer token for it' },
    },
  },
  rules: {
    operators: {
      level_gte: {
        arity: 2,
        types: { args: ['number', 'string'], result: 'boolean' },
        describe: 'So many points make at least this level: bronze, silver or gold.',
        // Either argument may be null, or of another type: then it is false, and never throws.
        fn: (points, level) => {
          const wanted = levels.findIndex((one) => one === level)
          return typeof points === 'number' && wanted >= 0 && levelOf(points) >= wanted
        },
      },
    },
    facts: {
      points: {
        schema: { type: 'number', description: 'Loyalty points of the contact; null for who has no account.' },
        async load(batch, { config, http, signal }) {
          const accounts = [...new Set(batch.flatMap((subject) => accountOf(subject) ?? []))]
          if (accounts.length === 0) return batch.map(() => null)
          const answer = await http.post(config.url, {
            bearer: config.token,
            json: { accounts },
            signal,
            timeoutMs: 450,
          })
          const { points = {} } = answer.json<{ points?: Record<string, unknown> }>()
          return batch.map((subject) => {
            const account = accountOf(subject)
            const found = account !== null && Object.hasOwn(points, account) ? points[account] : null
            return typeof found === 'number' ? found : null
          })
        },
      },
    },
  },
  setup: () => ({ route: () => ({ to: 'pass', reason: 'only facts and operators' }) }),
})
