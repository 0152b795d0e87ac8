import { createInterface } from 'node:readline'
import {
  AgentClientError,
  createAgentClient,
  signIn,
  ticketFrom,
  type AgentEvent,
  type Credentials,
} from '@throughline/plugin-sdk/agent-client'
import { WebSocket } from 'ws'
import { ThroughlineError } from '../errors.js'
import { createDesk } from './agent-desk.js'

export interface ConnectOptions {
  readonly url: string
  readonly credentials: Credentials
  /** Takes every offer at once. */
  readonly autoAccept: boolean
  readonly input: NodeJS.ReadableStream
  readonly out: (line: string) => void
}

const help = [
  'a, a 2            accept the oldest offer, or that of conversation 2          d, d 2   decline it',
  'any other line    answers the customer                                        /go 2    to conversation 2',
  '/history          what was said so far                                        /resolve done with this one',
  '/away, /online    whether you take work                                       /quit    go offline and leave',
]

/** A terminal for one agent, over nothing but the public API: what it does, any tool can do. */
export async function agentConnect(options: ConnectOptions): Promise<void> {
  const { url, out } = options
  const { token, agent } = await signedIn(url, options.credentials)
  const desk = createDesk()

  const client = createAgentClient({
    url: `${url.replace(/^http/, 'ws')}/v1/agent/ws`,
    ticket: () => ticketFrom(url, token),
    WebSocket: WebSocket,
    onState: (state) => {
      if (state === 'waiting') out('… connection lost, coming back')
    },
    onEvent: (event) => onEvent(event),
  })
  const tell = (error: unknown) => out(`! ${error instanceof Error ? error.message : 'it failed'}`)
  const say = (type: string, data: unknown) => client.send(type, data).catch(tell)

  function onEvent({ t, d }: AgentEvent): void {
    const conversation = text(d['conversation'])
    switch (t) {
      case 'offer.created':
        if (d['agent'] !== agent) return
        desk.offered({ id: text(d['offerId']), conversation })
        void showOffer(conversation, text(d['channel']) || text(d['channelKind']))
        return
      case 'offer.expired':
      case 'offer.rescinded':
      case 'offer.cancelled': {
        const number = desk.offerGone(text(d['offerId']))
        if (number !== null) out(`* [${number}] the offer is gone (${t.slice(6)})`)
        return
      }
      case 'message.inbound': {
        const number = desk.numberOf(conversation)
        out(`[${number}] ${text(d['channel'])} < ${text(d['text'])}`)
        return
      }
      case 'message.failed':
      case 'message.dead':
      case 'message.unknown':
        out(`! an answer ended as ${t.slice(8)}: ${text(d['reason'])}`)
    }
  }

  async function showOffer(conversation: string, channel: string): Promise<void> {
    const last = await messages(conversation, 5).catch(() => [])
    const words = last.filter((one) => one.direction === 'in').at(-1)?.text
    const number = desk.numberOf(conversation)
    out(`* [${number}] offer from ${channel}: ${words ? `${JSON.stringify(words)} ` : ''}(a accepts, d declines)`)
    if (options.autoAccept) await accept(number)
  }

  async function accept(number: number | null): Promise<void> {
    const offer = desk.takeOffer(number)
    if (offer === undefined) return out('* no such offer waits')
    try {
      await client.send('offer.accept', { offerId: offer.id })
      await show(offer.conversation)
    } catch (error) {
      tell(error)
    }
  }

  async function decline(number: number | null): Promise<void> {
    const offer = desk.takeOffer(number)
    if (offer === undefined) out('* no such offer waits')
    else await say('offer.decline', { offerId: offer.id })
  }

  /** Lines go to this conversation from now on. */
  async function show(conversation: string): Promise<void> {
    desk.open(conversation)
    out(`* [${desk.numberOf(conversation)}] is yours, and what you type goes there. What was said so far:`)
    await history(conversation).catch(tell)
  }

  async function history(conversation: string): Promise<void> {
    for (const { channel, direction, author, text } of await messages(conversation, 30))
      out(`  ${channel ?? 'note'} ${direction === 'in' ? '<' : '>'} ${author.name ? `${author.name}: ` : ''}${text}`)
  }

  async function messages(conversation: string, limit: number): Promise<readonly Said[]> {
    return ((await client.send('conversation.history', { conversation, limit })) as { items: readonly Said[] }).items
  }

  async function line(entered: string): Promise<boolean> {
    const words = entered.trim()
    const { current } = desk
    const [, act, digits] = /^(a|accept|d|decline|\/go)(?: (\d{1,6}))?$/.exec(words) ?? []
    const number = digits === undefined ? null : Number(digits)
    if (words === '') return true
    if (words === '/quit') return false
    if (words === '/help') help.forEach((one) => out(one))
    else if (act === 'a' || act === 'accept') await accept(number)
    else if (act === 'd' || act === 'decline') await decline(number)
    else if (act === '/go') {
      const to = number === null ? undefined : desk.own(number)
      if (to === undefined) out('* that is none of your conversations')
      else await show(to)
    } else if (words === '/away' || words === '/online') await say('presence.set', { state: words.slice(1) })
    else if (current === null) out('* no conversation: accept an offer first (a), or /help')
    else if (words === '/history') await history(current).catch(tell)
    else if (words === '/resolve') {
      await say('conversation.setStatus', { conversation: current, status: 'resolved' })
      const next = desk.done(current)
      out(
        `* [${desk.numberOf(current)}] resolved${next === null ? '' : `; what you type goes to [${desk.numberOf(next)}]`}`,
      )
    } else await say('message.send', { conversation: current, body: words })
    return true
  }

  await client.send('presence.set', { state: 'online' })
  out(`Signed in as ${agent}, online. /help says what can be typed.`)
  for (const { id } of await assigned(url, token).catch(() => [])) await show(id)
  const lines = createInterface({ input: options.input })
  try {
    for await (const entered of lines) if (!(await line(entered))) break
  } finally {
    lines.close()
    await client.send('presence.set', { state: 'offline' }).catch(() => undefined)
    client.close(true)
  }
}

interface Said {
  readonly channel: string | null
  readonly direction: string
  readonly text: string
  readonly author: { readonly name: string | null }
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Conversations that are the agent's from an earlier time at a desk. */
async function assigned(url: string, token: string): Promise<readonly { readonly id: string }[]> {
  const response = await fetch(`${url}/v1/agent/snapshot`, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(15_000),
  })
  return ((await response.json()) as { conversations?: readonly { readonly id: string }[] }).conversations ?? []
}

async function signedIn(url: string, credentials: Credentials): ReturnType<typeof signIn> {
  try {
    return await signIn(url, credentials)
  } catch (error) {
    if (!('code' in credentials) || !(error instanceof AgentClientError) || error.code !== 'TL_AUTH_UNAUTHENTICATED')
      throw error
    throw new ThroughlineError(
      'TL_AUTH_UNAUTHENTICATED',
      'the code is not right, too old, or was used already; `npx throughline agent code <id>` makes a new one',
      { cause: error },
    )
  }
}
