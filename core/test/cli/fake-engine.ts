import type { AgentAccounts } from '../../src/agents/contract.js'
import type { EngineEntry } from '../../src/cli/engine-entry.js'
import type { SlaExplanation } from '../../src/sla/contract.js'
import type { InboxService, ParkedEvent } from '../../src/inbound/contract.js'

const at = new Date('2026-03-09T10:00:00Z')
/** A conversation whose first reply came late, and was excused. */
export const explained: SlaExplanation = {
  conversation: '01890000-0000-7000-8000-000000000001',
  status: 'open',
  priority: 'normal',
  unansweredSince: null,
  handledBy: 'human',
  clocks: [
    {
      id: 'c1',
      metric: 'first_reply',
      cycle: 1,
      state: 'met_late',
      policy: 'standard',
      policyVersion: '1',
      targetS: 900,
      usedS: 901,
      calendar: null,
      touchpoint: null,
      startedAt: at,
      dueAt: at,
      warnedAt: null,
      breachedAt: at,
      endedAt: at,
      reason: null,
      fired: ['75%', '100%'],
      next: null,
      waiver: { reason: 'the office had no power', by: 'ada', at },
    },
  ],
  events: [
    { at, type: 'sla.breached', data: { metric: 'first_reply', cycle: 1, level: '100%' } },
    { at, type: 'sla.waived', data: { metric: 'first_reply', cycle: 1, reason: 'the office had no power' } },
  ],
}

export interface FakeEngine {
  readonly entry: () => Promise<EngineEntry>
  /** What the commands asked for, in order. */
  readonly calls: unknown[]
  /** How often services were opened and not closed again. */
  open(): number
}

type Parked = ParkedEvent & { readonly event: unknown; readonly headers: unknown; readonly raw: Buffer | null }

/** Services in memory: what is tested is the command line, not the services. */
export function fakeEngine(start?: EngineEntry['startEngine']): FakeEngine {
  const calls: unknown[] = []
  let open = 0
  const agents = [
    {
      id: 'ada',
      name: 'Ada',
      email: 'ada@example.org',
      role: 'admin',
      teams: ['support'],
      hasPassword: true,
      disabledAt: null,
    },
  ]
  const tokens = [
    { id: 't1', name: 'crm', role: 'integrator', createdAt: new Date(0), lastUsedAt: null, revokedAt: new Date(1) },
  ]
  const parked: Parked = {
    id: 7,
    channel: 'shop',
    externalId: 'e7',
    lane: 'l',
    code: 'TL_INBOUND_BODY_INVALID',
    reason: 'not JSON',
    receivedAt: new Date(0),
    hasRaw: true,
    event: null,
    headers: { 'x-token': 'sesame-open' },
    raw: Buffer.from('{"text": "hello'),
  }
  const note =
    <T>(name: string, answer: T) =>
    (...args: unknown[]): Promise<T> => {
      calls.push([name, ...args])
      return Promise.resolve(answer)
    }
  const accounts: Partial<Record<keyof AgentAccounts, unknown>> = {
    add: note('add', undefined),
    list: () => Promise.resolve(agents),
    setPassword: note('setPassword', undefined),
    setDisabled: note('setDisabled', undefined),
    createSignInCode: note('createSignInCode', 'code-123'),
    createToken: note('createToken', { id: 't2', token: 'tl_secret' }),
    revokeToken: (id: string) => Promise.resolve(id === 't1'),
    tokens: () => Promise.resolve(tokens),
  }
  const inbox: InboxService = {
    list: note('list', [parked] as const),
    show: (id) => Promise.resolve(id === 7 ? parked : null),
    replay: note('replay', { replayed: 1, stillParked: [{ id: 8, reason: 'still not JSON' }] }),
    counts: () => Promise.resolve({ undrained: 2, parked: 1, oldestUndrainedS: 1 }),
  }
  return {
    calls,
    open: () => open,
    entry: () =>
      Promise.resolve({
        startEngine: start ?? (() => Promise.reject(new Error('not started here'))),
        openServices: () => {
          open++
          const close = (): Promise<void> => {
            open--
            return Promise.resolve()
          }
          return Promise.resolve({
            accounts: accounts as unknown as AgentAccounts,
            inbox,
            held: {
              list: () => Promise.resolve([{ channel: 'shop', messages: 3, oldest: new Date(0) }]),
              release: note('held.release', 3),
            },
            webhooks: {
              list: () =>
                Promise.resolve([
                  {
                    id: 'crm',
                    host: 'https://crm.example.org',
                    events: ['sla.*'],
                    state: 'disabled' as const,
                    reason: 'gone' as const,
                    position: 12,
                    failures: 3,
                    waiting: 2,
                  },
                ]),
              deliveries: note('webhooks.deliveries', [
                {
                  position: 7,
                  messageId: 'msg_7',
                  type: 'sla.breached',
                  state: 'pending' as const,
                  attempts: 2,
                  replays: 1,
                  nextAt: new Date('2026-01-02T00:00:00Z'),
                  lastAt: new Date('2026-01-01T00:00:00Z'),
                  status: 503,
                  error: 'status',
                },
              ]),
              replay: note('webhooks.replay', { replayed: 1, last: 7 }),
            },
            sla: { explain: (id) => Promise.resolve(id === explained.conversation ? explained : null) },
            history: { since: async function* () {}, text: () => Promise.resolve(null) },
            quarantine: {
              list: () => Promise.resolve([{ id: 's', instance: 'sms', operation: 'parse', host: 'one' }]),
              release: (instance) => Promise.resolve(instance === 'sms' ? 1 : 0),
            },
            decisions: () => Promise.resolve([]),
            replan: () => ({
              replan: () => Promise.resolve({ version: '1', looked: 0, kept: 0, changes: [], applied: 0 }),
            }),
            close,
          })
        },
      }),
  }
}
