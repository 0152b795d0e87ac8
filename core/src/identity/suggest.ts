import type { Kysely } from 'kysely'
import type { EventWriter } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Tables } from '../store/tables.js'
import { findClaimHits, insertSuggestions, type NewIdentifier } from './resolve-store.js'

export interface SuggestDeps {
  readonly db: Kysely<Tables>
  readonly events: EventWriter
  readonly ids: Ids
}

/**
 * After the commit: proposes joins where one contact claims what another holds verified. Not inside the drain's
 * transaction, because two drains that store both sides at the same moment would not see each other. May run twice.
 */
export async function suggestJoins({ db, ids, events }: SuggestDeps, told: readonly NewIdentifier[]): Promise<void> {
  if (told.length === 0) return
  const proposed = await db.transaction().execute(async (trx) => {
    const hits = await findClaimHits(trx, told)
    if (hits.length === 0) return false
    const suggestions = hits.map((hit) => {
      const claim = told.find((one) => one.contact === hit.claimant && one.kind === hit.kind && one.value === hit.value)
      const [a, b] = [hit.claimant, hit.holder].sort()
      const evidence = claim?.evidence ?? 'claimed by the sender'
      return {
        id: ids(),
        a: a!,
        b: b!,
        kind: hit.kind,
        value: hit.value,
        confidence: claim?.confidence ?? 0.5,
        evidence,
        hit,
      }
    })
    const stored = await insertSuggestions(trx, suggestions)
    const fresh = suggestions.filter((one) => stored.has(one.id))
    await events.append(
      trx,
      fresh.map((one) => ({
        type: 'identity.suggested' as const,
        contact: one.hit.claimant,
        actor: { kind: 'system' as const, id: null },
        data: { suggestionId: one.id, other: one.hit.holder, kind: one.kind },
      })),
    )
    return fresh.length > 0
  })
  if (proposed) events.poke()
}
