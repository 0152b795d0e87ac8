import type { Config } from '../../config/contract.js'
import { formatProblems } from '../../config/report.js'
import type { ReplanResult } from '../../routing/contract.js'
import { diffRuleFiles, type RuleFileDiff } from '../../routing/rules/file-diff.js'
import { replay } from '../../routing/rules/replay.js'
import type { Command, Invocation } from '../command.js'
import { exitCodes } from '../exit-codes.js'
import { explainConversation } from '../explain-decisions.js'
import { loadForCommand } from '../load-for-command.js'
import { argument, option, textTable } from '../print.js'
import { openRuleDesk, sinceOf } from '../rule-desk.js'
import { withServices } from '../with-services.js'
import { fieldText, MOST_DECISIONS, summary } from './simulate.js'

export const rules: Command = {
  usage: 'rules test [FILE…] | diff DRAFT [--since 7d] | explain CONVERSATION | replan [--queue ID] [--apply]',
  summary: 'Rule files as code: run their tests, compare a draft, explain decisions, plan waiting work anew.',
  help: [
    'test     checks the files and runs the tests they carry; without files those beside the configuration',
    'diff     what a draft changes against the file in use, rule by rule; with --since what it would have decided',
    'explain  every decision about a conversation: facts, rule, version, who was asked, why others were passed over',
    'replan   waiting items and the plan the rules on disk would give them; with --apply they get it',
    '--kind   what a file decides where its name does not say it; --json for machines',
  ],
  actions: ['test', 'diff', 'explain', 'replan'],
  options: {
    since: { type: 'string' },
    kind: { type: 'string' },
    queue: { type: 'string' },
    apply: { type: 'boolean' },
    json: { type: 'boolean' },
  },
  async run(invocation) {
    const [action] = invocation.positionals
    if (action === 'test') return test(invocation, loadForCommand(invocation))
    if (action === 'diff') return diff(invocation)
    if (action === 'replan') return replan(invocation)
    return explainConversation(invocation, argument(invocation, 1, 'the conversation', 'rules explain CONVERSATION'))
  },
}

async function test(invocation: Invocation, config: Config): Promise<number> {
  const { terminal, positionals, options } = invocation
  const desk = await openRuleDesk(invocation, config)
  const named = positionals.slice(1).map((path) => ({ path, kind: desk.kindOf(path) }))
  const results = []
  for (const { path, kind } of named.length > 0 ? named : desk.files) {
    const { loaded } = await desk.read(path, kind)
    results.push({ path, kind, loaded })
  }
  const ok = results.every(({ loaded }) => loaded.ok)
  if (options['json'] === true) {
    const files = results.map(({ path, kind, loaded }) => ({ path, kind, ok: loaded.ok, problems: loaded.problems }))
    terminal.out(JSON.stringify({ ok, files }, null, 2))
    return ok ? exitCodes.ok : exitCodes.configuration
  }
  for (const { path, loaded } of results) {
    if (loaded.problems.length > 0)
      terminal.out(formatProblems(loaded.problems, { cwd: terminal.cwd, secrets: config.secrets }))
    const { rules: count, tests } = loaded.ok ? loaded.counts : { rules: 0, tests: 0 }
    terminal.out(loaded.ok ? `${path}: fine, ${count} rules, ${tests} tests passed` : `${path}: refused`)
  }
  return ok ? exitCodes.ok : exitCodes.configuration
}

async function diff(invocation: Invocation): Promise<number> {
  const draft = argument(invocation, 1, 'the draft', 'rules diff DRAFT')
  const config = loadForCommand(invocation)
  const desk = await openRuleDesk(invocation, config)
  const kind = desk.kindOf(draft)
  const live = desk.files.find((file) => file.kind === kind)?.path ?? ''
  const [before, after] = [await desk.read(live, kind), await desk.readGood(draft, kind)]
  const found = before.loaded.ok ? diffRuleFiles(before.text, after.text) : null
  const seconds = sinceOf(invocation, null)
  const { terminal, options } = invocation
  const replayed =
    seconds === null || kind !== 'routing'
      ? null
      : await withServices(invocation, ({ history }) =>
          replay({
            pages: history.since(seconds, MOST_DECISIONS),
            evaluate: after.loaded.evaluate,
            defaultQueue: config.defaultQueue,
          }),
        )
  if (options['json'] === true) {
    terminal.out(JSON.stringify({ file: live, draft, diff: found, replay: replayed }, null, 2))
    return exitCodes.ok
  }
  terminal.out(found === null ? `${live} itself does not pass the checks: nothing to compare` : diffText(found))
  if (replayed === null) return exitCodes.ok
  if (replayed.moves.length > 0) {
    const rows = replayed.moves.map(({ from, to, count }) => [String(count), from ?? 'default', to ?? 'default'])
    terminal.out(`\n${textTable(['changed', 'decided then', 'decides now'], rows)}`)
  }
  terminal.err(summary(replayed))
  return exitCodes.ok
}

function diffText({ added, removed, changed, moved, sections }: RuleFileDiff): string {
  const lines = [
    ...added.map((id) => `+ ${id}`),
    ...removed.map((id) => `- ${id}`),
    ...changed.map(({ rule, keys }) => `~ ${rule}: ${keys.join(', ')}`),
    ...moved.map((id) => `^ ${id}: stands at another place`),
    ...sections.map((name) => `~ ${name}`),
  ]
  return lines.length === 0 ? 'No rule differs.' : lines.join('\n')
}

async function replan(invocation: Invocation): Promise<number> {
  const apply = invocation.options['apply'] === true
  const queue = option(invocation, 'queue')
  const result = await withServices(invocation, async ({ replan: planner }, config) => {
    const desk = await openRuleDesk(invocation, config)
    const path = desk.files.find((file) => file.kind === 'routing')?.path ?? ''
    // Refused rules plan nothing anew.
    const { loaded } = await desk.readGood(path, 'routing')
    const inForce = {
      evaluate: (_file: string, facts: Readonly<Record<string, unknown>>) => loaded.evaluate(facts),
      version: () => loaded.version,
    }
    const context = { actor: { kind: 'system', id: null } } as const
    return planner(inForce).replan({ apply, ...(queue === null ? {} : { queue }) }, context)
  })
  if (invocation.options['json'] === true) invocation.terminal.out(JSON.stringify(result, null, 2))
  else invocation.terminal.out(replanText(result, apply))
  return exitCodes.ok
}

function replanText({ version, looked, kept, changes, applied }: ReplanResult, apply: boolean): string {
  const lines = changes.flatMap(({ conversation, from, to, fields }) => [
    `${conversation}  ${from.rule ?? 'default'} (${from.version}) -> ${to.rule ?? 'default'} (${to.version})`,
    ...fields.map(fieldText),
  ])
  const counts = `${looked} wait with another version than ${version}, ${kept} placed by hand or by a plugin, ${changes.length} would change`
  const end = apply ? `${applied} planned anew.` : 'Nothing was changed: add --apply.'
  return [...lines, `${counts}. ${end}`].join('\n')
}
