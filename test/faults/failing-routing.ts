import { defineRouting, type Decision } from '@throughline/plugin-sdk'

/** Routing that fails in every way a plugin can: throws, never answers, answers nonsense. Only for the fault suite. */
export default defineRouting({
  name: 'routing-failing',
  version: '0.1.0',
  title: 'Failing',
  config: { type: 'object', properties: {} } as const,
  setup: () => ({
    route({ random }) {
      if (random < 0.25) throw new Error('no decision today')
      if (random < 0.5) return new Promise<Decision>(() => undefined)
      if (random < 0.75) return { to: 'queue', reason: 'nonsense', plan: { queue: 'nowhere' } } as unknown as Decision
      return { to: 'pass', reason: 'somebody else' }
    },
  }),
})
