import type { AgentRole } from '../config/contract.js'
import type { Principal, Scope } from './contract.js'

/** What each role may do. Additive: a role gains, never silently loses, within a major. */
export const scopesOf: Readonly<Record<AgentRole, readonly Scope[]>> = Object.freeze({
  agent: ['conversations:read', 'conversations:write', 'work', 'events:read'],
  lead: ['conversations:read', 'conversations:write', 'work', 'identity:write', 'supervise', 'events:read'],
  admin: [
    'conversations:read',
    'conversations:write',
    'work',
    'identity:write',
    'supervise',
    'events:read',
    'admin',
    'audit:read',
  ],
  auditor: ['audit:read', 'events:read', 'conversations:read'],
  integrator: ['conversations:read', 'conversations:write', 'events:read'],
})

/** The one question of authorisation, for REST, commands and events. */
export function may(principal: Principal, scope: Scope): boolean {
  return principal.scopes.has(scope)
}

/** Offers and what else is meant for one agent: that agent, and those who supervise. */
export function maySee(principal: Principal, event: { readonly agent: string | null; readonly type: string }): boolean {
  const { type } = event
  if (/^(plugin|inbox|rules|webhook)\./.test(type) || type === 'config.changed') {
    return principal.scopes.has('admin')
  }
  return event.agent === null || event.agent === principal.agent || principal.scopes.has('supervise')
}
