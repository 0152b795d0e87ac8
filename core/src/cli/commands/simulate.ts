import { ThroughlineError } from '../../errors.js'
import { replay, type FieldChange, type Replay } from '../../routing/rules/replay.js'
import { UsageError, type Command } from '../command.js'
import { exitCodes } from '../exit-codes.js'
import { dateText, option, wholeNumber } from '../print.js'
import { openRuleDesk, sinceOf } from '../rule-desk.js'
import { withServices } from '../with-services.js'

export const MOST_DECISIONS = 100_000

export const simulate: Command = {
  usage: 'simulate --rules DRAFT.json [--since 7d] [--limit N] [--json]',
  summary: 'Replay recorded decisions against a draft of the routing rules; nothing is changed.',
  help: [
    'Prints every decision the draft would have made differently: the rule that decided then and the one that would',
    'decide now, and each field of the plan, old -> new. Facts are those of the time, also the ones plugins had loaded.',
    '--since   how far back: 30m, 12h, 7d (the default), 2w',
    '--limit   how many changes are printed (50)',
  ],
  options: {
    rules: { type: 'string' },
    since: { type: 'string' },
    limit: { type: 'string' },
    json: { type: 'boolean' },
  },
  async run(invocation) {
    const path = option(invocation, 'rules')
    if (path === null) throw new UsageError('the draft is missing: use `throughline simulate --rules DRAFT.json`')
    const seconds = sinceOf(invocation, '7d') ?? 0
    const limit = wholeNumber(invocation, 'limit', 50, MOST_DECISIONS)
    return withServices(invocation, async ({ history }, config) => {
      const { loaded } = await (await openRuleDesk(invocation, config)).readGood(path, 'routing')
      const pages = history.since(seconds, MOST_DECISIONS)
      const found = await replay({ pages, evaluate: loaded.evaluate, defaultQueue: config.defaultQueue })
      if (found.decisions === 0)
        throw new ThroughlineError('TL_RULES_NO_HISTORY', 'nothing was routed in this period: choose a longer --since')
      const { terminal, options } = invocation
      terminal.out(options['json'] === true ? JSON.stringify(found, null, 2) : changesText(found, limit))
      terminal.err(summary(found))
      return exitCodes.ok
    })
  },
}

export function summary(found: Replay): string {
  const { decisions, changes, onlyTheRule, others } = found
  const share = decisions === 0 ? 0 : Math.round((changes.length / decisions) * 1000) / 10
  const parts = [`${decisions} decisions`, `${changes.length} would change (${share} %)`]
  if (onlyTheRule > 0) parts.push(`${onlyTheRule} the same by another rule`)
  if (others > 0) parts.push(`${others} not made by rules`)
  return `${parts.join(', ')}.`
}

function changesText({ changes }: Replay, limit: number): string {
  if (changes.length === 0) return 'No decision would change.'
  const lines = changes.slice(0, limit).flatMap((change) => {
    const { matched, failed } = change.to
    const why = [
      matched.length === 0 ? 'no rule holds' : `holds: ${matched.join(', ')}`,
      ...(failed.length === 0 ? [] : [`fails: ${failed.join(', ')}`]),
    ]
    const head = `${dateText(change.at)}  ${change.conversation}  ${change.from.rule ?? 'default'} -> ${change.to.rule ?? 'default'}`
    return [`${head}  (${why.join('; ')})`, ...change.fields.map(fieldText)]
  })
  const more = changes.length - limit
  return [...lines, ...(more > 0 ? [`… and ${more} more: --limit ${changes.length}`] : [])].join('\n')
}

export function fieldText({ field, from, to }: FieldChange): string {
  const show = (value: unknown): string => (value === null ? 'none' : JSON.stringify(value))
  return `    ${field}: ${show(from)} -> ${show(to)}`
}
