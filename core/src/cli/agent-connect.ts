import { createInterface } from 'node:readline'
import {
  createAgentClient,
  signIn,
  ticketFrom,
  type AgentEvent,
  type Credentials,
} from '@throughline/plugin-sdk/agent-client'
import { WebSocket } from 'ws'

export interface ConnectOptions {
  readonly url: string
  readonly credentials: Credentials
  /** Takes every offer at once. */
  readonly autoAccept: boolean
  readonly input: NodeJS.ReadableStream
  readonly out: (line: string) => void
}

const help = [
  'a                 accept the offer            d                 decline it',
  'any other line    answers the customer        /history          what was said so far',
  '/resolve          done with this one          /away, /online    whether you take work',
  '/quit             go offline and leave',
]

/** A terminal for one agent, over nothing but the public API: what it does, any tool can do. */
export async function agentConnect(options: ConnectOptions): Promise<void> {
  const { url, out } = options
  const { token, agent } = await signIn(url, options.credentials)
  const offers: { readonly id: string; readonly conversation: string }[] = []
  let current: string | null = null

  const client = createAgentClient({
    url: `${url.replace(/^http/, 'ws')}/v1/agent/ws`,
    ticket: () => ticketFrom(url, token),
    WebSocket: WebSocket,
    onState: (state) => {
      if (state === 'waiting') out('… connection lost, coming back')
    },
    onEvent: (event) => onEvent(event),
  })
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  const tell = (error: unknown) => out(`! ${error instanceof Error ? error.message : 'it failed'}`)
  const say = (type: string, data: unknown) => client.send(type, data).catch(tell)

  function onEvent({ t, d }: AgentEvent): void {
    const conversation = text(d['conversation'])
    switch (t) {
      case 'offer.created':
        if (d['agent'] !== agent) return
        offers.push({ id: text(d['offerId']), conversation })
        out(`* offer from ${text(d['channel']) || text(d['channelKind'])}: a accepts, d declines`)
        if (options.autoAccept) void accept()
        return
      case 'offer.expired':
      case 'offer.rescinded':
      case 'offer.cancelled': {
        const index = offers.findIndex((one) => one.id === d['offerId'])
        if (index >= 0) out(`* the offer is gone (${t.slice(6)})`)
        if (index >= 0) offers.splice(index, 1)
        return
      }
      case 'message.inbound':
        out(`${conversation === current ? '' : '(another conversation) '}${text(d['channel'])} < ${text(d['text'])}`)
        return
      case 'message.failed':
      case 'message.dead':
      case 'message.unknown':
        out(`! an answer ended as ${t.slice(8)}: ${text(d['reason'])}`)
    }
  }

  async function accept(): Promise<void> {
    const offer = offers.shift()
    if (offer === undefined) return out('* no offer waits')
    try {
      await client.send('offer.accept', { offerId: offer.id })
      current = offer.conversation
      out('* yours. What was said so far:')
      await history()
    } catch (error) {
      tell(error)
    }
  }

  async function history(): Promise<void> {
    if (current === null) return out('* no conversation: accept an offer first')
    const page = (await client.send('conversation.history', { conversation: current, limit: 30 })) as {
      items: readonly { channel: string | null; direction: string; text: string; author: { name: string | null } }[]
    }
    for (const one of page.items)
      out(
        `  ${one.channel ?? 'note'} ${one.direction === 'in' ? '<' : '>'} ${one.author.name ? `${one.author.name}: ` : ''}${one.text}`,
      )
  }

  async function line(entered: string): Promise<boolean> {
    const words = entered.trim()
    if (words === '') return true
    if (words === '/quit') return false
    if (words === '/help') help.forEach((one) => out(one))
    else if (words === 'a') await accept()
    else if (words === 'd') {
      const offer = offers.shift()
      if (offer) await say('offer.decline', { offerId: offer.id })
    } else if (words === '/history') await history().catch(tell)
    else if (words === '/away' || words === '/online') await say('presence.set', { state: words.slice(1) })
    else if (current === null) out('* no conversation: accept an offer first (a), or /help')
    else if (words === '/resolve') {
      await say('conversation.setStatus', { conversation: current, status: 'resolved' })
      current = null
      out('* resolved')
    } else await say('message.send', { conversation: current, body: words })
    return true
  }

  await client.send('presence.set', { state: 'online' })
  out(`Signed in as ${agent}, online. /help says what can be typed.`)
  const lines = createInterface({ input: options.input })
  try {
    for await (const entered of lines) if (!(await line(entered))) break
  } finally {
    lines.close()
    await client.send('presence.set', { state: 'offline' }).catch(() => undefined)
    client.close(true)
  }
}
