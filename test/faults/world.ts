import { createScope, type Scope } from '../bench/scope.js'
import { tokenFor } from '../src/support/agent.js'
import { startEngineProcess, type EngineProcess } from '../src/support/engine.js'
import { eventually, pause } from '../src/support/eventually.js'
import { freePort } from '../src/support/free-port.js'
import { configWith } from '../src/support/workplace.js'
import { query, urlOf, type Server } from './database.js'
import { openDesk, type Desk } from './desk.js'
import { compare, type Verdict } from './ledgers.js'
import { startProvider, type Provider } from './provider.js'
import { startProxy, type Proxy } from './proxy.js'
import { SECRET, startTraffic, type Traffic } from './traffic.js'

/** An installation under load, with a ledger at each of its ends. */
export interface World {
  readonly scope: Scope
  readonly server: Server
  /** Past the proxy: for the ledgers and for mischief. */
  readonly databaseUrl: string
  /** Between the nodes and PostgreSQL. */
  readonly line: Proxy
  /** Between everybody and the nodes. */
  readonly front: Proxy
  readonly url: string
  readonly database: string
  /** Bearer token of the agent. */
  token(): Promise<string>
  readonly provider: Provider
  readonly traffic: Traffic
  readonly desk: Desk
  readonly nodes: (EngineProcess | null)[]
  /** (Re)starts node `n`, with this environment on top. */
  start(n: number, env?: Readonly<Record<string, string>>): Promise<EngineProcess>
  kill9(n: number): Promise<void>
  /** Milliseconds until a message sent now is on the agent's screen: the whole way, door to socket. */
  probe(): Promise<number>
  /** A further agent at a desk, answering nothing; `quiet`: not even available. `token`: of whom, else of the first one. */
  watcher(options?: { readonly quiet?: boolean; readonly token?: string }): Promise<Desk>
  /** Ends the load, waits until nothing is under way, compares the ledgers. */
  settle(): Promise<Verdict>
}

export interface WorldOptions {
  readonly id: string
  readonly nodes?: number
  readonly lanes?: number
  readonly paceMs?: number
  readonly answerEvery?: number
  /** Further channels of the configuration. */
  readonly channels?: Readonly<Record<string, object>>
  /** Further sections of the configuration. */
  readonly sections?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string>>
  /** Events of this channel are poison: they may be parked, and are not compared. */
  readonly parkedOf?: string
}

const SETTLE_MS = 120_000

export async function openWorld(server: Server, options: WorldOptions): Promise<World> {
  const scope = createScope()
  try {
    return await build(scope, server, options)
  } catch (error) {
    await scope.end()
    throw error
  }
}

async function build(scope: Scope, server: Server, options: WorldOptions): Promise<World> {
  const database = `fault_${options.id.toLowerCase().replaceAll(/\W/g, '_')}_${Date.now()}`
  const admin = urlOf(server, 'postgres')
  await query(admin, `create database ${database}`)
  scope.teardown(() => query(admin, `drop database if exists ${database} with (force)`).catch(() => undefined))
  const databaseUrl = urlOf(server, database)
  const line = await startProxy(scope, () => [server.port])
  const provider = await startProvider(scope)
  const count = options.nodes ?? 1
  const nodes: (EngineProcess | null)[] = Array.from({ length: count }, () => null)
  const front = await startProxy(scope, () => nodes.flatMap((node) => node?.port ?? []))
  const url = `http://127.0.0.1:${front.port}`
  const config = configWith({
    channels: {
      api: {
        use: 'channel-http',
        kind: 'messaging',
        config: { secret: SECRET, deliverUrl: `${provider.url}/api`, timeoutMs: 5_000 },
      },
      ...options.channels,
    },
    // Room for every conversation of a run: work that nobody may take would be no load.
    agents: {
      ada: { name: 'Ada', email: 'ada@localhost.example', role: 'admin', teams: ['support'], capacity: 10_000 },
    },
    ...options.sections,
  })
  const ports = await Promise.all(nodes.map(() => freePort()))
  const first: (EngineProcess | undefined)[] = []

  const start = async (n: number, env: Readonly<Record<string, string>> = {}): Promise<EngineProcess> => {
    const known = first[n]
    const node = await startEngineProcess(scope, {
      ...(known === undefined ? { config } : { workplace: known.workplace }),
      port: ports[n] ?? 0,
      databaseUrl: urlOf(server, database, line.port),
      env: { ...options.env, ...env },
    })
    first[n] ??= node
    nodes[n] = node
    void node.ended.then(() => {
      if (nodes[n] === node) nodes[n] = null
    })
    return node
  }
  const kill9 = async (n: number): Promise<void> => {
    await nodes[n]?.kill9()
    nodes[n] = null
  }
  const one = await start(0)
  for (let n = 1; n < count; n++) await start(n)
  const token = await tokenFor(one)
  const desk = await openDesk(scope, { url, token, answerEvery: options.answerEvery ?? 15 })
  const desks = [desk]
  const traffic = startTraffic({ url, lanes: options.lanes ?? 12, paceMs: options.paceMs ?? 80 })

  const probe = async (): Promise<number> => {
    const began = performance.now()
    const id = await traffic.one('probe')
    await eventually(`${id} on the agent’s screen`, () => desk.seen.includes(id), {
      patienceMs: SETTLE_MS,
      tell: () => `${desk.states.slice(-5).join(', ')}\n${nodes.map((node) => node?.output().slice(-2000)).join('\n')}`,
    })
    return performance.now() - began
  }
  await probe()
  return {
    scope,
    server,
    databaseUrl,
    line,
    front,
    url,
    database,
    token: () => Promise.resolve(token),
    provider,
    traffic,
    desk,
    nodes,
    start,
    kill9,
    probe,
    async watcher({ quiet = false, token: own = token } = {}) {
      const more = await openDesk(scope, { url, token: own, answerEvery: 0, quiet })
      desks.push(more)
      return more
    },
    async settle() {
      await traffic.stop()
      const left = async (): Promise<Readonly<Record<string, number>>> => {
        const [row] = await query<Record<string, number>>(
          databaseUrl,
          `select (select count(*)::int from inbox_waiting) as inbox, (select count(*)::int from outbox) as outbox,
             (select count(*)::int from send where state in ('queued', 'sending')) as sends,
             (select count(*)::int from event_log where type = 'message.inbound') as logged`,
        )
        return row ?? {}
      }
      let now: Readonly<Record<string, number>> = {}
      await eventually(
        'nothing under way',
        async () => {
          now = await left()
          const quiet = now['inbox'] === 0 && now['outbox'] === 0 && now['sends'] === 0
          return quiet && desk.open() === 0 && (desk.resyncs() > 0 || desk.seen.length >= (now['logged'] ?? 0))
        },
        {
          patienceMs: SETTLE_MS,
          tell: () =>
            `${JSON.stringify(now)}, seen ${desk.seen.length}, commands open ${desk.open()}\n` +
            nodes.map((node) => node?.output().slice(-3000)).join('\n'),
        },
      ).catch((error: unknown) => {
        // The comparison says what is missing; this says where it hangs.
        console.error(String(error))
      })
      await pause(200)
      return compare({
        databaseUrl,
        traffic: [traffic],
        provider,
        desks,
        ...(options.parkedOf === undefined ? {} : { parkedOf: options.parkedOf }),
      })
    },
  }
}
