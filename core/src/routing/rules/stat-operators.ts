import { didYouMean } from '../../suggest.js'
import { checked, operator, type Operator, type Run } from './operator.js'

export const queueStatNames = ['waiting', 'held', 'oldest_wait_s', 'logged_in', 'free', 'ewt_s'] as const
export const contactStatNames = [
  'conversations_1d',
  'conversations_7d',
  'conversations_30d',
  'open_conversations',
  'last_agent',
  'last_channel',
] as const

const WINDOWS = ['1d', '7d', '30d']

function below(run: Run, ...path: readonly string[]): unknown {
  let at: unknown = run.facts
  for (const step of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return null
    at = (at as Readonly<Record<string, unknown>>)[step]
  }
  return at ?? null
}

/** Figures that are part of the facts: one snapshot a decision, kept with it, so that a replay sees the same. */
export const statOperators: Readonly<Record<string, Operator>> = Object.freeze({
  queue_stat: {
    ...checked(
      operator([2, 2], ['string'], 'number', ([queue, stat], run) => below(run, 'queues', String(queue), String(stat))),
      ({ args: [queue, stat], names, error }) => {
        const queues = [...names.queues.keys()]
        if (typeof queue === 'string' && !queues.includes(queue))
          error(0, `"${queue.slice(0, 60)}" is not a queue of throughline.yaml${didYouMean(queue, queues)}`)
        if (typeof stat === 'string' && !queueStatNames.some((name) => name === stat))
          error(1, `"${stat.slice(0, 60)}" is no figure of a queue: ${queueStatNames.join(', ')}`)
      },
    ),
    nullable: true,
  },
  contact_stat: {
    ...checked(
      operator([1, 2], ['string'], 'any', ([stat, window], run) => below(run, 'history', nameOf(stat, window))),
      ({ args: [stat, window], error }) => {
        if (typeof stat !== 'string' || (window !== undefined && typeof window !== 'string')) return
        if (contactStatNames.some((name) => name === nameOf(stat, window))) return
        const known = `${contactStatNames.join(', ')}; or "conversations" with ${WINDOWS.join(', ')}`
        error(0, `"${nameOf(stat, window).slice(0, 60)}" is no figure of a contact: ${known}`)
      },
    ),
    nullable: true,
  },
})

function nameOf(stat: unknown, window: unknown): string {
  return typeof window === 'string' ? `${String(stat)}_${window}` : String(stat)
}
