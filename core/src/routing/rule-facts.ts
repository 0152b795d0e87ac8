import type { FactSubject, RuleValue } from '@throughline/plugin-sdk'
import type { Kysely } from 'kysely'
import type { Clock } from '../clock.js'
import type { FactSource } from '../plugins/contract.js'
import type { Tables } from '../store/tables.js'
import type { Facts, QueueBoard } from './contract.js'
import type { FailureReport } from './failures.js'
import { contactHistories, identifiersOf, knownAgents } from './rule-facts-store.js'
import { readsFact, type Uses } from './rules/uses.js'

export interface RuleFactsDeps {
  readonly db: Kysely<Tables>
  /** What the routing rules in force ask for. */
  readonly uses: () => Uses | null
  readonly board: Pick<QueueBoard, 'latest'>
  /** Instances whose plugins publish facts. */
  readonly sources: () => readonly FactSource[]
  readonly report: Pick<FailureReport, 'plugin'>
  readonly clock: Clock
  readonly log: { warn(fields: Readonly<Record<string, unknown>>, message: string): void }
}

type Extra = Readonly<Record<string, unknown>>

/** Facts beside those of the message, and only those that a live rule names. */
export interface RuleFacts {
  /** At hand without asking anybody: figures of the queues, one snapshot a batch. */
  atHand(): Extra
  /** null: no live rule asks for more. Otherwise loads for the whole batch, once, when first called; never rejects. */
  later(batch: readonly Facts[]): (() => Promise<readonly Extra[]>) | null
}

/** Longest a fact may keep a decision waiting; late is null. */
export const FACTS_MS = 500
const CACHE_MS = 30_000
const CACHED = 10_000

export function createRuleFacts(deps: RuleFactsDeps): RuleFacts {
  const cache = createCache(deps.clock)
  return Object.freeze({
    atHand() {
      const uses = deps.uses()
      if (uses === null || !(uses.operators.has('queue_stat') || readsFact(uses, 'queues'))) return {}
      const queues = [...deps.board.latest().values()].map((stat): [string, Extra] => [
        stat.queue,
        {
          waiting: stat.waiting,
          held: stat.held,
          oldest_wait_s: stat.oldestWaitS,
          logged_in: stat.loggedIn,
          free: stat.free,
          ewt_s: stat.wait?.p50S ?? null,
        },
      ])
      return { queues: Object.fromEntries(queues) }
    },
    later(batch) {
      const uses = deps.uses()
      if (uses === null) return null
      const asks = {
        history: uses.operators.has('contact_stat') || readsFact(uses, 'history'),
        agent:
          ['skill_gte', 'lang_gte', 'in_team'].some((name) => uses.operators.has(name)) || readsFact(uses, 'agent'),
        plugins: deps.sources().flatMap((source) => {
          const names = source.facts.filter((name) => readsFact(uses, `${source.prefix}.${name}`))
          return names.length === 0 ? [] : [{ source, names }]
        }),
      }
      if (!asks.history && !asks.agent && asks.plugins.length === 0) return null
      let loading: Promise<readonly Extra[]> | undefined
      return () => (loading ??= load(deps, cache, asks, batch))
    },
  } satisfies RuleFacts)
}

interface Asks {
  readonly history: boolean
  readonly agent: boolean
  readonly plugins: readonly { readonly source: FactSource; readonly names: readonly string[] }[]
}

async function load(deps: RuleFactsDeps, cache: Cache, asks: Asks, batch: readonly Facts[]): Promise<readonly Extra[]> {
  const { db } = deps
  const pairs = batch.map((facts) => ({ contact: facts.contact.id, conversation: facts.conversation.id }))
  const own = async (): Promise<readonly Extra[]> => {
    const histories = asks.history ? await contactHistories(db, pairs) : []
    const ids = batch.flatMap((facts) => facts.conversation.lastAgent ?? [])
    const agents = asks.agent ? await knownAgents(db, [...new Set(ids)]) : new Map<string, Extra>()
    return batch.map((facts, index) => ({
      ...(asks.history ? { history: histories[index] ?? null } : {}),
      ...(asks.agent ? { agent: agents.get(facts.conversation.lastAgent ?? '') ?? null } : {}),
    }))
  }
  const plugins = async (): Promise<readonly Extra[]> => {
    if (asks.plugins.length === 0) return []
    const identifiers = await identifiersOf(db, [...new Set(pairs.map((one) => one.contact))])
    const subjects = batch.map((facts, index): FactSubject =>
      Object.freeze({
        ...pairs[index]!,
        channel: facts.channel.id,
        identifiers: Object.freeze([...(identifiers.get(facts.contact.id) ?? [])]),
      }),
    )
    const loaded = await Promise.all(asks.plugins.map((one) => ofPlugin(deps, cache, one, subjects)))
    return subjects.map((_, index) => Object.assign({}, ...loaded.map((values) => values[index])) as Extra)
  }
  const failed = (what: string) => (error: unknown) => {
    deps.log.warn({ code: (error as { code?: string }).code }, `${what} could not be loaded for rules and are null`)
    return [] as readonly Extra[]
  }
  const [mine, theirs] = await Promise.all([
    inTime(own()).catch(failed('facts of the engine')),
    inTime(plugins(), FACTS_MS + 200).catch(failed('facts of plugins')),
  ])
  return batch.map((_, index) => ({ ...mine[index], ...theirs[index] }))
}

/** The facts of one plugin for all subjects, under its prefix. */
async function ofPlugin(
  deps: RuleFactsDeps,
  cache: Cache,
  { source, names }: Asks['plugins'][number],
  subjects: readonly FactSubject[],
): Promise<readonly Extra[]> {
  const values = await Promise.all(names.map((name) => one(deps, cache, source, name, subjects)))
  return subjects.map((_, index) => ({
    [source.prefix]: Object.fromEntries(names.map((name, n) => [name, values[n]?.[index] ?? null])),
  }))
}

async function one(
  deps: RuleFactsDeps,
  cache: Cache,
  source: FactSource,
  name: string,
  subjects: readonly FactSubject[],
): Promise<readonly RuleValue[]> {
  const keys = subjects.map((one) =>
    JSON.stringify([source.instance, name, one.contact, one.conversation, one.channel, one.identifiers]),
  )
  const absent = subjects.flatMap((subject, index) =>
    cache.get(keys[index]!) === undefined ? [{ subject, index }] : [],
  )
  if (absent.length > 0) {
    const answers = await source
      .load(
        name,
        absent.map((one) => one.subject),
        FACTS_MS,
      )
      .catch(() => {
        deps.report.plugin(source.instance, `the fact ${name} failed, or took more than ${FACTS_MS} ms`, 'facts')
        return null
      })
    const fit = answers === null ? [] : judged(deps, source, name, answers, absent.length)
    for (const [n, { index }] of absent.entries()) {
      const value = fit[n]
      if (value !== undefined) cache.set(keys[index]!, value)
    }
  }
  return keys.map((key) => cache.get(key) ?? null)
}

/** As many answers as subjects, each of the type that was published; what does not fit is null, and told. */
function judged(
  deps: RuleFactsDeps,
  source: FactSource,
  name: string,
  answers: unknown,
  wanted: number,
): readonly RuleValue[] {
  if (!Array.isArray(answers) || answers.length !== wanted) {
    deps.report.plugin(source.instance, `the fact ${name} gave not one answer for each subject`, 'facts')
    return []
  }
  const type = source.typeOf(name)
  let misfit = false
  const values = answers.map((answer: unknown): RuleValue => {
    if (answer === null || answer === undefined) return null
    if (fits(answer, type)) return answer
    misfit = true
    return null
  })
  if (misfit) deps.report.plugin(source.instance, `the fact ${name} gave something that is not a ${type}`, 'facts')
  return values
}

const MOST_TEXT = 10_000

function fits(value: unknown, type: string): value is RuleValue {
  if (type === 'number' || type === 'integer') return typeof value === 'number' && Number.isFinite(value)
  if (type === 'boolean') return typeof value === 'boolean'
  if (type === 'string' || type === 'instant') return typeof value === 'string' && value.length <= MOST_TEXT
  // Lists and objects travel with the decision: plain data, and not much of it.
  const wanted = type === 'array' || type.endsWith('[]') ? Array.isArray(value) : typeof value === 'object'
  if (!wanted) return false
  try {
    return JSON.stringify(value).length <= MOST_TEXT
  } catch {
    return false
  }
}

interface Cache {
  get(key: string): RuleValue | undefined
  set(key: string, value: RuleValue): void
}

/** Somebody who writes three times in a row is looked up once. Failures are not remembered; breakers are for those. */
function createCache(clock: Clock): Cache {
  const known = new Map<string, { readonly value: RuleValue; readonly until: number }>()
  return {
    get(key) {
      const found = known.get(key)
      return found === undefined || found.until <= clock.now() ? undefined : found.value
    },
    set(key, value) {
      if (known.size >= CACHED) known.clear()
      known.set(key, { value, until: clock.now() + CACHE_MS })
    },
  }
}

async function inTime<T>(work: Promise<T>, ms = FACTS_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`took more than ${ms} ms`)), ms)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}
