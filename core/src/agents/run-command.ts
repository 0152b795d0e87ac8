import { createHash } from 'node:crypto'
import { Ajv, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import type { Kysely } from 'kysely'
import { ThroughlineError } from '../errors.js'
import { failPoint } from '../store/fail-point.js'
import type { Tables } from '../store/tables.js'
import type { Command, CommandContext, CommandDeps } from './command.js'
import { conversationCommands } from './commands/conversations.js'
import { identityCommands } from './commands/identity.js'
import { messageCommands } from './commands/messages.js'
import { supervisionCommands } from './commands/supervision.js'
import { workCommands } from './commands/work.js'
import type { Principal } from './contract.js'
import { findResult, insertResult } from './dedupe-store.js'
import { may } from './scopes.js'

/** Every command of agent.v1 by its type. A Map: a type off the wire is only ever looked up, never used as a name. */
export const commands: ReadonlyMap<string, Command> = new Map(
  [...workCommands, ...supervisionCommands, ...conversationCommands, ...messageCommands, ...identityCommands].map(
    (one) => [one.type, one],
  ),
)

const ajv = new Ajv({ allErrors: false, useDefaults: true, strict: true, allowUnionTypes: true })
addFormats.default(ajv)
const validators: ReadonlyMap<string, ValidateFunction> = new Map(
  [...commands.values()].map((one) => [one.type, ajv.compile(one.schema)]),
)

export interface Call {
  readonly type: string
  /** Idempotency key; needed by commands that change something. */
  readonly id: string | undefined
  readonly data: unknown
  readonly ifVersion: number | undefined
}

export interface RunDeps extends CommandDeps {
  readonly db: Kysely<Tables>
}

/**
 * Runs a command for a principal. Throws ThroughlineError for whatever the caller did wrong. A mutating command acts once,
 * however often it is sent: its result is stored in the transaction of its effect and a repetition is answered from there.
 * (What changes nothing the second time, `offer.presented`, stores it right after.)
 */
export async function runCommand(
  deps: RunDeps,
  principal: Principal,
  call: Call,
): Promise<{ readonly data: unknown; readonly replayed: boolean }> {
  const found = commands.get(call.type)
  const validate = validators.get(call.type)
  if (found === undefined || validate === undefined) {
    throw new ThroughlineError('TL_SOCKET_UNKNOWN_TYPE', 'agent.v1 has no such command')
  }
  const data = structuredClone(call.data ?? {})
  if (!validate(data)) {
    const [first] = validate.errors ?? []
    const path =
      first?.instancePath === ''
        ? `/${String(first.params['missingProperty'] ?? first.params['additionalProperty'] ?? '')}`
        : first?.instancePath
    throw new ThroughlineError('TL_COMMAND_INVALID', `${path ?? '/'} ${first?.message ?? 'is not valid'}`, {
      details: { path },
    })
  }
  if (found.scope !== null && !may(principal, found.scope)) {
    throw new ThroughlineError('TL_AUTH_FORBIDDEN', `this needs the right ${found.scope}`)
  }
  const { id } = call
  if (found.mutates && (id === undefined || id === '' || id.length > 100)) {
    throw new ThroughlineError('TL_COMMAND_INVALID', '/id must be a string of 1 to 100 characters', {
      details: { path: '/id' },
    })
  }
  const hash = createHash('sha256')
    .update(call.type)
    .update('\n')
    .update(stable(call.data ?? {}))
    .digest()
  if (!found.mutates || id === undefined) {
    const context = contextOf(principal, call, () => Promise.resolve())
    return { data: await found.run(deps, data as never, context), replayed: false }
  }
  const stored = await replay(deps, principal, id, hash)
  if (stored) return stored
  let recorded = false
  const context = contextOf(principal, call, async (trx, result) => {
    await insertResult(trx, { agent: principal.agent, id, hash, result: withId(result) })
    recorded = true
  })
  try {
    await failPoint?.('command.before-effect')
    const result = await found.run(deps, data as never, context)
    if (!recorded) await insertResult(deps.db, { agent: principal.agent, id, hash, result }).catch(ignoreTwice)
    await failPoint?.('command.effect-done')
    return { data: result, replayed: false }
  } catch (error) {
    // Another copy of this command was faster: its effect stands, ours was rolled back with the clash, or refused because
    // of that effect.
    const done = await replay(deps, principal, id, hash)
    if (done) return done
    throw error
  }
}

async function replay(deps: RunDeps, principal: Principal, id: string, hash: Buffer) {
  const stored = await findResult(deps.db, principal.agent, id)
  if (stored === null) return null
  if (!stored.hash.equals(hash)) {
    throw new ThroughlineError('TL_COMMAND_IDEMPOTENCY_MISMATCH', 'this id was used for another command')
  }
  return { data: stored.result, replayed: true }
}

function contextOf(principal: Principal, call: Call, within: CommandContext['within']): CommandContext {
  return {
    principal,
    actor: { kind: 'agent', id: principal.agent },
    cause: call.id ?? '',
    ...(call.ifVersion === undefined ? {} : { ifVersion: call.ifVersion }),
    within,
  }
}

/** Services that hand nothing back inside the transaction store an empty result. */
function withId(result: unknown): unknown {
  return result ?? {}
}

function isTwice(error: unknown): boolean {
  const { code, constraint } = error as { code?: unknown; constraint?: unknown }
  return code === '23505' && constraint === 'command_dedupe_pkey'
}

function ignoreTwice(error: unknown): void {
  if (!isTwice(error)) throw error
}

/** The same text for the same value, whatever the order of its keys. */
function stable(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(stable).join(',')}]`
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${stable(item)}`).join(',')}}`
}
