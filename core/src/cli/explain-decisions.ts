import { planOf } from '@throughline/plugin-sdk'
import type { Invocation } from './command.js'
import { exitCodes } from './exit-codes.js'
import { dateText, notFound } from './print.js'
import { openRuleDesk, type RuleDesk } from './rule-desk.js'
import { withServices } from './with-services.js'
import type { DecisionHistory } from '../routing/rules/history-store.js'

/** A row of GET /v1/conversations/:id/decisions. */
interface Decision {
  readonly at: Date
  readonly trigger: string
  readonly source: string
  readonly rule: string | null
  readonly version: string
  readonly reason: string
  readonly facts: Readonly<Record<string, unknown>>
  readonly plan: unknown
  readonly candidates: unknown
}

/** `throughline rules explain`: the operator asked for the facts, so they are shown. */
export async function explainConversation(invocation: Invocation, conversation: string): Promise<number> {
  if (!/^[0-9a-f-]{36}$/i.test(conversation)) throw notFound(`conversation "${conversation}"`, 'rules explain --help')
  return withServices(invocation, async ({ decisions, history }, config) => {
    const found = (await decisions(conversation)) as readonly Decision[]
    if (found.length === 0) throw notFound(`a decision about conversation ${conversation}`, 'rules explain --help')
    const { terminal, options } = invocation
    if (options['json'] === true) {
      terminal.out(JSON.stringify(found, null, 2))
      return exitCodes.ok
    }
    const desk = await openRuleDesk(invocation, config)
    for (const one of found) terminal.out(await decisionText(one, desk, history))
    return exitCodes.ok
  })
}

async function decisionText(one: Decision, desk: RuleDesk, history: DecisionHistory): Promise<string> {
  const offered = one.trigger === 'offer'
  const lines = [
    `${dateText(one.at)}  ${one.trigger}  by ${one.source}${one.rule === null ? '' : `, rule ${one.rule}`}, version ${one.version}: ${one.reason}`,
  ]
  if (!offered) lines.push(...(await rulesText(one, desk, history)))
  if (one.plan !== null) lines.push(`  plan        ${JSON.stringify(one.plan)}`)
  if (one.candidates !== null) lines.push(...candidatesText(one.candidates))
  lines.push(`  facts       ${JSON.stringify(one.facts)}`)
  return `${lines.join('\n')}\n`
}

/** Runs the version of then over the facts of then: which rules held, and that the outcome is the same. */
async function rulesText(one: Decision, desk: RuleDesk, history: DecisionHistory): Promise<readonly string[]> {
  if (one.rule === null) return []
  const text = await history.text('routing', one.version)
  const loaded = text === null ? null : desk.fromText(text, 'routing')
  if (loaded === null || !loaded.ok)
    return ['  rules       this version is not kept any more, or needs a plugin that is gone']
  const result = loaded.evaluate(one.facts)
  const plan = result === null ? null : planOf(result.then)
  return [
    `  held        ${result?.trace.matched.join(', ') || 'none'}`,
    ...(result === null || result.trace.failed.length === 0 ? [] : [`  failed      ${result.trace.failed.join(', ')}`]),
    ...(result?.rule === one.rule
      ? []
      : [`  replayed    decides ${result?.rule ?? 'nothing'}, queue ${plan?.queue ?? 'none'}`]),
  ]
}

function candidatesText(candidates: unknown): readonly string[] {
  const { chosen, agent, passedOver } = candidates as {
    readonly chosen?: unknown
    readonly agent?: unknown
    readonly passedOver?: readonly { readonly agent: string; readonly why: string }[]
  }
  const who = chosen ?? agent
  return [
    ...(typeof who === 'string' ? [`  asked       ${who}`] : []),
    ...(passedOver ?? []).map((one) => `  passed over ${one.agent}: ${one.why}`),
  ]
}
