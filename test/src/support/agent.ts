import { createAgentClient, signIn, ticketFrom } from '@throughline/plugin-sdk/agent-client'
import { WebSocket } from 'ws'
import { eventually } from './eventually.js'
import type { EngineProcess, TestWithTeardown } from './engine.js'

/** A durable event as an agent's socket got it. */
export interface AgentEvent {
  readonly t: string
  readonly position?: number
  readonly d: any
}

/** Somebody at an agent's desk: REST and WebSocket, the reference client, and a ledger of all that came. */
export interface TestAgent {
  readonly token: string
  /** Every event, in order of arrival. */
  readonly events: readonly AgentEvent[]
  /** States of the connection, in order. */
  readonly states: readonly string[]
  command(type: string, data: unknown): Promise<any>
  /** REST with the agent's token; fails unless the answer is 2xx. */
  get(path: string): Promise<any>
  /** The first event that fits, as soon as it is there. */
  event(what: string, fits: (event: AgentEvent) => boolean): Promise<AgentEvent>
  close(): Promise<void>
}

/** A bearer token for a one-time code. */
export async function tokenFor(engine: Pick<EngineProcess, 'url' | 'signInCode'>): Promise<string> {
  return (await signIn(engine.url, { code: engine.signInCode })).token
}

/** Signs in (with the printed code, or a token there is already), connects, and is available for work. */
export async function startAgent(
  t: TestWithTeardown,
  engine: Pick<EngineProcess, 'url' | 'signInCode'>,
  given?: { readonly token: string },
): Promise<TestAgent> {
  const token = given?.token ?? (await tokenFor(engine))
  const events: AgentEvent[] = []
  const states: string[] = []
  const client = createAgentClient({
    url: `${engine.url.replace(/^http/, 'ws')}/v1/agent/ws`,
    ticket: () => ticketFrom(engine.url, token),
    WebSocket: WebSocket,
    onEvent: (event) => events.push(event),
    onState: (state) => states.push(typeof state === 'string' ? state : JSON.stringify(state)),
  })
  t.teardown(() => client.close())
  const agent: TestAgent = {
    token,
    events,
    states,
    command: (type, data) => client.send(type, data),
    async get(path) {
      const response = await fetch(`${engine.url}${path}`, {
        headers: { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(15_000),
      })
      if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`)
      return response.json()
    },
    event: (what, fits) =>
      eventually(what, () => events.find(fits), {
        tell: () => `states: ${states.join(', ')}; events: ${events.map((event) => event.t).join(', ')}`,
      }),
    close: () => Promise.resolve(client.close()),
  }
  await agent.command('presence.set', { state: 'online' })
  return agent
}
