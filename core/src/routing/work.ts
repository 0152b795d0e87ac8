import type { Jobs } from '../jobs/contract.js'
import { claimWork, completeWork, releaseWork, transferWork, type AssignmentDeps } from './assignments.js'
import type { QueueBoard, WorkLedger, WorkService } from './contract.js'
import { endWork } from './end-work.js'
import type { QueueHours } from './hours.js'
import { enqueue, settle } from './intake.js'
import { joinWork } from './join-work.js'
import { EXPIRE_TASK } from './make-offers.js'
import { offersOf } from './offer-store.js'
import { acceptOffer, declineOffer, expireOffers, presentOffer, type OfferDeps } from './offers.js'
import { openWork } from './open-work.js'
import { requireSkills } from './require-skills.js'
import { decisionsOf } from './settle-store.js'
import { endWraps, WRAP_TASK } from './wrap-up.js'

export interface WorkDeps extends AssignmentDeps, OfferDeps {
  readonly wake: (queues?: readonly string[]) => void
  /** After a commit that brought work: to be offered or, where the queue is closed, to be told about. */
  readonly woken: (queues?: readonly string[]) => void
  readonly hours: QueueHours
  readonly board: Pick<QueueBoard, 'read'>
  readonly log: { warn(fields: Readonly<Record<string, unknown>>, message: string): void }
}

/** The service over the acts of this folder; each act has its own file, its locks are told in transact.ts. */
export function createWork(deps: WorkDeps): WorkService & WorkLedger {
  return Object.freeze({
    enqueue: (trx, items) => enqueue(trx, items, deps),
    settle: async ({ item, decision }) => {
      try {
        const queue = await settle(deps, item, await decision)
        if (queue !== null) deps.woken([queue])
      } catch (error) {
        // The item stays held; the sweep queues it by the plan it was stored with.
        deps.log.warn(
          { item, code: (error as { code?: string }).code },
          'a pending routing decision could not be applied',
        )
      }
    },
    end: (trx, conversation, as, context) => endWork(trx, deps, conversation, as, context),
    open: (trx, conversations) => openWork(trx, deps, conversations),
    join: (trx, from, into, context) => joinWork(trx, from, into, context),
    wake: (queues) => deps.woken(queues),
    accept: (offer, agent, cause, within) => acceptOffer(deps, offer, agent, cause, within),
    decline: (offer, agent, reason, cause, within) => declineOffer(deps, offer, agent, reason, cause, within),
    presented: (offer, agent) => presentOffer(deps, offer, agent),
    transfer: (conversation, to, note, context) => transferWork(deps, conversation, to, note, context),
    release: (conversation, context) => releaseWork(deps, conversation, context),
    complete: (conversation, disposition, context) => completeWork(deps, conversation, disposition, context),
    claim: (conversation, agent, context) => claimWork(deps, conversation, agent, context),
    require: (conversation, skills, context) => requireSkills(deps, conversation, skills, context),
    offersOf: (agent) => offersOf(deps.db, agent),
    decisions: (conversation) => decisionsOf(deps.db, conversation),
    queueStats: () => deps.board.read(),
  } satisfies WorkService & WorkLedger)
}

/** Hints that an offer's time has come, or a wrap-up's; see make-offers.ts and wrap-up.ts. */
export function registerExpiry(jobs: Pick<Jobs, 'task'>, deps: OfferDeps): void {
  jobs.task(EXPIRE_TASK, async (payload) => {
    const { offer } = (payload ?? {}) as { readonly offer?: unknown }
    if (typeof offer === 'string') await expireOffers(deps, [offer])
  })
  jobs.task(WRAP_TASK, async () => void (await endWraps(deps)))
}
