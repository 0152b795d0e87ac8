import type { WebhookService, Which } from '../../events/webhooks/contract.js'
import { UsageError, type Command, type Invocation } from '../command.js'
import { exitCodes } from '../exit-codes.js'
import { argument, dateText, option, printList, wholeNumber } from '../print.js'
import { withServices } from '../with-services.js'

export const webhooks: Command = {
  usage: 'webhooks list | deliveries <id> [--limit N] [--before POSITION] | replay <id> --position N | --since N',
  summary: 'Outgoing webhooks: how they are doing, what was delivered, sending again.',
  help: [
    'list        every webhook of the configuration: state, failures in a row, what waits',
    'deliveries  newest first: event, tries, HTTP status; --json for machines',
    'replay      one event (--position) or all since a position (--since), under the same webhook-id;',
    '            enables a disabled webhook again; the running engine sends within seconds',
  ],
  actions: ['list', 'deliveries', 'replay'],
  options: {
    limit: { type: 'string' },
    before: { type: 'string' },
    position: { type: 'string' },
    since: { type: 'string' },
    json: { type: 'boolean' },
  },
  async run(invocation) {
    const action = invocation.positionals[0]
    if (action === 'list') return withServices(invocation, ({ webhooks: service }) => list(invocation, service))
    const id = argument(invocation, 1, 'the id of the webhook', `webhooks ${action ?? ''} <id>`)
    if (action === 'deliveries') {
      return withServices(invocation, ({ webhooks: service }) => deliveries(invocation, service, id))
    }
    const which = whichOf(invocation)
    return withServices(invocation, async ({ webhooks: service }) => {
      const result = await service.replay(id, which, { kind: 'system', id: null })
      const { replayed, last } = result
      const upTo = last === null || replayed === 1 ? '' : `, up to position ${last}`
      const json = invocation.options['json'] === true
      invocation.terminal.out(json ? JSON.stringify(result) : `${replayed} to be sent again${upTo}.`)
      return exitCodes.ok
    })
  },
}

function positionOf(invocation: Invocation, name: string): number | null {
  const text = option(invocation, name)
  if (text === null) return null
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new UsageError(`--${name} needs the position of an event: \`throughline webhooks deliveries <id>\` shows them`)
}

function whichOf(invocation: Invocation): Which {
  const position = positionOf(invocation, 'position')
  const since = positionOf(invocation, 'since')
  if (position !== null && since === null) return { position }
  if (since !== null && position === null) return { since }
  throw new UsageError('say what to send again: either --position N or --since N')
}

async function list(invocation: Invocation, service: WebhookService): Promise<number> {
  const found = await service.list()
  const head = ['id', 'receiver', 'state', 'reason', 'failures', 'position', 'waiting']
  const row = (item: (typeof found)[number]): readonly string[] => [
    item.id,
    item.host,
    item.state,
    item.reason ?? '',
    String(item.failures),
    String(item.position),
    String(item.waiting),
  ]
  printList(invocation, found, head, row, 'No webhook is configured.')
  return exitCodes.ok
}

async function deliveries(invocation: Invocation, service: WebhookService, id: string): Promise<number> {
  const before = positionOf(invocation, 'before')
  const limit = wholeNumber(invocation, 'limit', 50, 1000)
  const found = await service.deliveries(id, { limit, ...(before === null ? {} : { before }) })
  const head = ['position', 'type', 'state', 'tries', 'status', 'error', 'last', 'next']
  const row = (item: (typeof found)[number]): readonly string[] => [
    String(item.position),
    item.type,
    item.state,
    String(item.attempts),
    String(item.status ?? ''),
    item.error ?? '',
    dateText(item.lastAt),
    dateText(item.nextAt),
  ]
  printList(invocation, found, head, row, 'Nothing was delivered yet.')
  return exitCodes.ok
}
