import { createHash, randomBytes } from 'node:crypto'
import { hash, verify } from '@node-rs/argon2'
import type { Logger } from '@throughline/plugin-sdk'
import type { Kysely } from 'kysely'
import type { Clock } from '../clock.js'
import { ThroughlineError } from '../errors.js'
import type { EventWriter } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Tables } from '../store/tables.js'
import * as store from './account-store.js'
import type { AgentAccounts, Principal } from './contract.js'
import { createAttempts } from './attempts.js'
import { scopesOf } from './scopes.js'

export interface AccountDeps {
  readonly db: Kysely<Tables>
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Logger
  readonly events: EventWriter
}

const PASSWORD_MIN = 10
const PASSWORD_MAX = 200
const SESSION_HOURS = 12
const CODE_MINUTES = 15
const TICKET_SECONDS = 30
/** OWASP's figures for argon2id; about 40 ms here. */
const argon2 = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const

/** Accounts of agents, their sessions, tokens and tickets. Only hashes of secrets are stored. */
export function createAccounts(deps: AccountDeps): AgentAccounts {
  const { db, ids } = deps
  const attempts = createAttempts(deps.clock)
  let decoy: Promise<string> | undefined

  const refused = () =>
    new ThroughlineError(
      'TL_AUTH_UNAUTHENTICATED',
      'the e-mail, password or code is not right, or the account is locked',
    )

  async function byPassword(email: string, password: string): Promise<string> {
    const agent = await store.agentByEmail(db, email)
    if (agent === null || agent.passwordHash === null || agent.disabledAt !== null || agent.locked) {
      // The same work as for an account that exists, so that time tells nothing.
      decoy ??= hash(randomBytes(16).toString('hex'), argon2)
      await verify(await decoy, password.slice(0, PASSWORD_MAX))
      throw refused()
    }
    if (!(await verify(agent.passwordHash, password.slice(0, PASSWORD_MAX)))) {
      await store.countFailure(db, agent.id)
      throw refused()
    }
    return agent.id
  }

  async function byCode(code: string): Promise<string> {
    const agent = await store.useCode(db, digest(code.trim().toUpperCase()))
    const row = agent === null ? null : await store.agentById(db, agent)
    if (row === null || row.disabledAt !== null) throw refused()
    return row.id
  }

  async function changed(agent: string, type: 'perms.changed' | 'session.revoked'): Promise<void> {
    await db
      .transaction()
      .execute((trx) =>
        deps.events.append(trx, [{ type, agent, actor: { kind: 'system', id: null }, data: { agent } }]),
      )
    deps.events.poke()
  }

  const accounts: AgentAccounts = {
    async add(agent) {
      const password = agent.password === undefined ? null : await passwordHash(agent.password)
      await db.transaction().execute(async (trx) => {
        if ((await store.agentById(trx, agent.id)) !== null) {
          throw new ThroughlineError('TL_COMMAND_CONFLICT', `there is an agent ${agent.id} already; choose another id`)
        }
        if ((await store.agentByEmail(trx, agent.email)) !== null) {
          throw new ThroughlineError('TL_COMMAND_CONFLICT', 'another agent has this e-mail address; choose another one')
        }
        await store.upsertAgents(trx, [
          {
            ...agent,
            teams: agent.teams ?? [],
            skills: '{}',
            languages: '{}',
            timeZone: 'UTC',
            perChannelMax: '{}',
            capacity: 100,
            source: 'cli',
          },
        ])
        if (password !== null) await store.setPasswordHash(trx, agent.id, password)
      })
    },
    async list() {
      return (await store.listAgents(db)).map(({ id, name, email, role, teams, passwordHash: known, disabledAt }) => ({
        id,
        name,
        email,
        role,
        teams,
        hasPassword: known !== null,
        disabledAt,
      }))
    },
    async setPassword(agent, password) {
      const hashed = await passwordHash(password)
      await db.transaction().execute(async (trx) => {
        if (!(await store.setPasswordHash(trx, agent, hashed))) throw unknownAgent(agent)
        await store.endSessions(trx, agent)
      })
      await changed(agent, 'session.revoked')
    },
    async setDisabled(agent, disabled) {
      await db.transaction().execute(async (trx) => {
        if (!(await store.setDisabled(trx, agent, disabled))) throw unknownAgent(agent)
        if (disabled) await store.endSessions(trx, agent)
      })
      await changed(agent, disabled ? 'session.revoked' : 'perms.changed')
    },
    async syncFromConfig(agents) {
      await db.transaction().execute(async (trx) => {
        await store.upsertAgents(
          trx,
          agents.map((agent) => ({
            id: agent.id,
            name: agent.name,
            email: agent.email,
            role: agent.role,
            teams: agent.teams,
            skills: JSON.stringify(agent.skills),
            languages: JSON.stringify(agent.languages),
            timeZone: agent.timeZone,
            perChannelMax: JSON.stringify(agent.perChannel),
            capacity: agent.capacity,
            source: 'config',
          })),
        )
        await store.disableAbsent(
          trx,
          agents.map((agent) => agent.id),
        )
      })
    },
    async signIn(credentials, ip) {
      const wait = attempts.take(ip)
      if (wait > 0) {
        throw new ThroughlineError('TL_AUTH_RATE_LIMITED', 'too many sign-ins from this address; wait a little', {
          details: { retryAfterMs: wait },
        })
      }
      const agent =
        'code' in credentials
          ? await byCode(credentials.code)
          : await byPassword(credentials.email, credentials.password)
      attempts.succeeded(ip)
      const token = secret('tls')
      const expiresAt = await store.insertSession(db, { id: ids(), agent, hash: digest(token), hours: SESSION_HOURS })
      return { token, expiresAt, agent }
    },
    async signOut(principal) {
      if (principal.session.kind === 'session') await store.revokeSession(db, principal.session.id)
      else await store.revokeToken(db, principal.session.id)
      await changed(principal.agent, 'session.revoked')
    },
    async createSignInCode(agent) {
      if ((await store.agentById(db, agent)) === null) throw unknownAgent(agent)
      const code = readableCode()
      await store.insertCode(db, { hash: digest(code), agent, minutes: CODE_MINUTES })
      return code
    },
    async createToken(token) {
      const agent = token.agent ?? `service-${token.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}`.slice(0, 60)
      if ((await store.agentById(db, agent)) === null) {
        if (token.agent !== undefined) throw unknownAgent(agent)
        await db.transaction().execute((trx) =>
          store.upsertAgents(trx, [
            {
              id: agent,
              name: token.name,
              email: `${agent}@service.invalid`,
              role: token.role,
              teams: [],
              skills: '{}',
              languages: '{}',
              timeZone: 'UTC',
              perChannelMax: '{}',
              capacity: 0,
              source: 'cli',
            },
          ]),
        )
      }
      const id = ids()
      const text = secret('tlt')
      await store.insertToken(db, {
        id,
        name: token.name,
        agent,
        role: token.role,
        hash: digest(text),
        expiresAt: token.expiresAt ?? null,
      })
      return { id, token: text }
    },
    revokeToken: (id) => store.revokeToken(db, id),
    tokens: () => store.listTokens(db),
    async authenticate(bearer) {
      if (!/^tl[st]_[\w-]{20,100}$/.test(bearer)) return null
      const row = await store.findBearer(db, digest(bearer))
      if (row === null) return null
      if (row.kind === 'token') await store.touchToken(db, row.tokenId)
      return principalOf(row)
    },
    async current(principal) {
      const [row] = await store.liveBearers(db, [principal.session.id])
      return row !== undefined && row.rightsVersion === principal.rightsVersion
    },
    async currentAll(principals) {
      const rows = await store.liveBearers(db, [...new Set(principals.map((one) => one.session.id))])
      const live = new Map(rows.map((row) => [row.id, row.rightsVersion]))
      return new Set(principals.filter((one) => live.get(one.session.id) === one.rightsVersion))
    },
    async createTicket(principal, origin) {
      const ticket = randomBytes(32).toString('base64url')
      const expiresAt = await store.insertTicket(db, {
        hash: digest(ticket),
        agent: principal.agent,
        kind: principal.session.kind,
        id: principal.session.id,
        origin,
        seconds: TICKET_SECONDS,
      })
      return { ticket, expiresAt }
    },
    async redeemTicket(ticket, origin) {
      if (!/^[\w-]{40,60}$/.test(ticket)) return null
      const row = await store.redeemTicket(db, digest(ticket))
      if (row === null || (row.origin !== null && row.origin !== origin)) return null
      return principalOf(row)
    },
    prune: () => store.pruneCredentials(db),
  }
  return Object.freeze(accounts)
}

function principalOf(row: store.Bearer): Principal {
  // A token never gives more than its agent has.
  const own = new Set(scopesOf[row.role])
  const scopes = scopesOf[row.tokenRole].filter((scope) => own.has(scope))
  return Object.freeze({
    agent: row.id,
    name: row.name,
    role: row.kind === 'token' ? row.tokenRole : row.role,
    teams: row.teams,
    scopes: new Set(scopes),
    session: { kind: row.kind, id: row.tokenId },
    rightsVersion: row.rightsVersion,
  })
}

async function passwordHash(password: string): Promise<string> {
  if (password.length < PASSWORD_MIN || password.length > PASSWORD_MAX) {
    throw new ThroughlineError('TL_REQUEST_INVALID', `a password has ${PASSWORD_MIN} to ${PASSWORD_MAX} characters`)
  }
  return hash(password, argon2)
}

function unknownAgent(agent: string): ThroughlineError {
  return new ThroughlineError(
    'TL_COMMAND_NOT_FOUND',
    `there is no agent ${agent.slice(0, 60)}; see \`throughline agent list\``,
  )
}

function secret(prefix: 'tls' | 'tlt'): string {
  return `${prefix}_${randomBytes(32).toString('base64url')}`
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

const letters = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789'

/** 60 bits in four groups, without letters that look alike. */
function readableCode(): string {
  const text = [...randomBytes(12)].map((byte) => letters[byte % letters.length]).join('')
  return `${text.slice(0, 4)}-${text.slice(4, 8)}-${text.slice(8)}`
}
