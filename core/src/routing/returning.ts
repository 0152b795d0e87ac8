import type { Transaction } from 'kysely'
import type { Config, QueueConfig } from '../config/contract.js'
import type { NewEvent } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Tables } from '../store/tables.js'
import { readCandidates } from './agent-store.js'
import type { NewWorkItem } from './contract.js'
import { count, fits, lockLoads, writeLoads } from './load-store.js'
import { insertOffers } from './offer-store.js'
import { assignReturned, boostReturned } from './return-store.js'
import { qualifies, requirements, takes, type Candidate } from './selection.js'
import { SYSTEM, workEvent } from './work-events.js'
import type { Item } from './work-store.js'

export interface ReturnDeps {
  readonly config: Config
  readonly ids: Ids
}

/**
 * Conversations that come back go straight to the agent who had them, if that agent is connected, takes such work, still
 * belongs to the queue and has room; else they are queued some minutes ahead. Inside the transaction that wrote the items.
 * Locks: the agents' loads, after the items that nobody else can see yet. Answers the events that follow `work.queued`.
 */
export async function giveBack(
  trx: Transaction<Tables>,
  deps: ReturnDeps,
  written: readonly Item[],
  inputs: readonly NewWorkItem[],
): Promise<readonly NewEvent[]> {
  const former = new Map(inputs.flatMap((input) => (input.returnsTo == null ? [] : [[input.id, input] as const])))
  const back = written.flatMap((item) => {
    const input = former.get(item.id)
    return item.state === 'queued' && input?.returnsTo != null ? [{ item, input, agent: input.returnsTo }] : []
  })
  if (back.length === 0) return []
  const agents = [...new Set(back.map((one) => one.agent))]
  const candidates = new Map((await readCandidates(trx, agents)).map((one) => [one.agent, one]))
  const queues = new Map(deps.config.queues.map((queue) => [queue.id, queue]))
  const suited = back.filter(({ item, input, agent }) =>
    suits(candidates.get(agent), queues.get(item.queue), item, input),
  )
  const loads = await lockLoads(
    trx,
    suited.map((one) => one.agent),
  )
  const given = suited.filter(({ item, agent }) => {
    const load = loads.get(agent)
    const most = candidates.get(agent)?.perChannelMax[item.channelKind]
    if (load === undefined || !fits(load, item.channelKind, item.units, most, queues.get(item.queue)?.interruptible))
      return false
    load.active += item.units
    load.assigned = true
    count(load, item.channelKind, 1)
    return true
  })
  const left = back.filter((one) => !given.includes(one)).map((one) => one.item.id)
  if (left.length > 0) await boostReturned(trx, left)
  if (given.length === 0) return []
  await writeLoads(trx, loads.values())
  const offers = given.map(({ item, agent }) => ({
    id: deps.ids(),
    item: item.id,
    conversation: item.conversation,
    agent,
    state: 'accepted' as const,
    epoch: item.epoch + 1,
    units: item.units,
    channelKind: item.channelKind,
    forced: false,
    // Nothing new, so no fair share counts it.
    newIn: null,
    reason: 'returned',
    seconds: 0,
  }))
  await insertOffers(trx, offers)
  const versions = await assignReturned(
    trx,
    given.map(({ item, agent }) => ({ item: item.id, agent })),
  )
  return given.map(({ item, agent }, index) =>
    workEvent('work.assigned', item, SYSTEM, {
      agent,
      offerId: offers[index]?.id,
      from: null,
      returned: true,
      version: versions.get(item.conversation) ?? null,
    }),
  )
}

function suits(
  candidate: Candidate | undefined,
  queue: QueueConfig | undefined,
  item: Item,
  input: NewWorkItem,
): boolean {
  if (candidate === undefined || queue === undefined || !takes(candidate, item.channelKind)) return false
  const steps = input.plan.steps ?? []
  return qualifies(candidate, requirements([queue], steps, steps.length))
}
