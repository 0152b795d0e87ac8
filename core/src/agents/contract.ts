import type { AgentConfig, AgentRole } from '../config/contract.js'

export type Scope =
  | 'conversations:read'
  | 'conversations:write'
  | 'identity:write'
  | 'work'
  | 'supervise'
  | 'admin'
  | 'audit:read'
  | 'events:read'

/** Who calls, decided once from a session or token; every REST route, command and event goes through `may`. */
export interface Principal {
  readonly agent: string
  readonly name: string
  readonly role: AgentRole
  readonly teams: readonly string[]
  readonly scopes: ReadonlySet<Scope>
  readonly session: { readonly kind: 'session' | 'token'; readonly id: string }
  readonly rightsVersion: number
}

export interface AgentAccounts {
  add(agent: {
    readonly id: string
    readonly name: string
    readonly email: string
    readonly role: AgentRole
    readonly teams?: readonly string[]
    readonly password?: string
  }): Promise<void>
  list(): Promise<
    readonly {
      readonly id: string
      readonly name: string
      readonly email: string
      readonly role: AgentRole
      readonly teams: readonly string[]
      readonly hasPassword: boolean
      readonly disabledAt: Date | null
    }[]
  >
  /** argon2id; ends every session of the agent. */
  setPassword(agent: string, password: string): Promise<void>
  setDisabled(agent: string, disabled: boolean): Promise<void>
  /** Upserts the agents of the configuration at start; never touches passwords; disables config agents that left the file. */
  syncFromConfig(agents: readonly AgentConfig[]): Promise<void>
  /** E-mail and password, or a one-time code. Rate-limited by account and address. */
  signIn(
    credentials: { readonly email: string; readonly password: string } | { readonly code: string },
    ip: string,
  ): Promise<{ readonly token: string; readonly expiresAt: Date; readonly agent: string }>
  signOut(principal: Principal): Promise<void>
  /** One-time sign-in code, 15 min. */
  createSignInCode(agent: string): Promise<string>
  createToken(token: {
    readonly name: string
    readonly role: AgentRole
    readonly agent?: string
    readonly expiresAt?: Date
  }): Promise<{ readonly id: string; readonly token: string }>
  revokeToken(id: string): Promise<boolean>
  tokens(): Promise<
    readonly {
      readonly id: string
      readonly name: string
      readonly role: string
      readonly createdAt: Date
      readonly lastUsedAt: Date | null
      readonly revokedAt: Date | null
    }[]
  >
  /** Bearer token → principal; null: unknown, expired, revoked or disabled. */
  authenticate(bearer: string): Promise<Principal | null>
  /** Still the same rights? Called at each command and, at most every 2 s, for each live socket (P13). */
  current(principal: Principal): Promise<boolean>
  /** The ones that still hold, by one query: for a node's live sockets (P13). */
  currentAll(principals: readonly Principal[]): Promise<ReadonlySet<Principal>>
  /** Removes what is used up or long over. */
  prune(): Promise<void>
  /** Single-use, 30 s, bound to agent and origin. */
  createTicket(
    principal: Principal,
    origin: string | null,
  ): Promise<{ readonly ticket: string; readonly expiresAt: Date }>
  redeemTicket(ticket: string, origin: string | null): Promise<Principal | null>
}
