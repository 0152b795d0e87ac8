import { redact } from '../../config/redact.js'
import type { Config } from '../../config/contract.js'
import type { InboxService } from '../../inbound/contract.js'
import { UsageError, type Command, type Invocation } from '../command.js'
import { exitCodes } from '../exit-codes.js'
import { argument, dateText, notFound, option, printList, wholeNumber } from '../print.js'
import { withServices } from '../with-services.js'

export const inbox: Command = {
  usage: 'inbox list [--channel ID] [--limit N] | show <id> [--raw] | replay <id>… | replay --all',
  summary: 'Inbound events that were parked because nobody could read or apply them.',
  help: [
    'list    parked events with their reason, newest first; --json for machines',
    'show    one event with headers and body; --raw prints the bytes as they came',
    'replay  parses them again and queues them, after the plugin or rule was corrected',
  ],
  actions: ['list', 'show', 'replay'],
  options: {
    channel: { type: 'string' },
    limit: { type: 'string' },
    before: { type: 'string' },
    raw: { type: 'boolean' },
    all: { type: 'boolean' },
    json: { type: 'boolean' },
  },
  async run(invocation) {
    const action = invocation.positionals[0]
    if (action === 'list') return withServices(invocation, ({ inbox: service }) => list(invocation, service))
    if (action === 'replay') {
      const ids = invocation.options['all'] === true ? 'all' : replayIds(invocation)
      return withServices(invocation, ({ inbox: service }) => replay(invocation, service, ids))
    }
    const id = eventId(argument(invocation, 1, 'the id of the event', 'inbox show <id>'))
    return withServices(invocation, ({ inbox: service }, config) => show(invocation, service, config, id))
  },
}

function eventId(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new UsageError(`"${text}" is not the id of an event: \`throughline inbox list\` shows them`)
}

function replayIds(invocation: Invocation): readonly number[] {
  argument(invocation, 1, 'the id of an event', 'inbox replay <id>…` or `throughline inbox replay --all')
  return invocation.positionals.slice(1).map(eventId)
}

async function list(invocation: Invocation, service: InboxService): Promise<number> {
  const channel = option(invocation, 'channel')
  const before = option(invocation, 'before')
  const events = await service.list({
    limit: wholeNumber(invocation, 'limit', 50, 1000),
    ...(channel === null ? {} : { channel }),
    ...(before === null ? {} : { before: eventId(before) }),
  })
  const head = ['id', 'channel', 'received', 'code', 'reason']
  const row = (item: (typeof events)[number]): readonly string[] => [
    String(item.id),
    item.channel,
    dateText(item.receivedAt),
    item.code ?? '',
    (item.reason ?? '').slice(0, 100),
  ]
  printList(invocation, events, head, row, 'No event is parked.')
  if (invocation.options['json'] !== true) {
    const { undrained, parked } = await service.counts()
    invocation.terminal.err(`${parked} parked, ${undrained} waiting to be worked on.`)
  }
  return exitCodes.ok
}

/** The operator asked for the content, so it is shown; secrets of the configuration are covered all the same. */
async function show(invocation: Invocation, service: InboxService, config: Config, id: number): Promise<number> {
  const found = await service.show(id)
  if (found === null) throw notFound(`parked event ${id}`, 'inbox list')
  const { raw, ...rest } = found
  const { terminal } = invocation
  if (invocation.options['raw'] === true && raw !== null && terminal.write !== undefined) {
    // Latin-1 keeps every byte what it is, so that only the secrets change.
    terminal.write(Buffer.from(redact(raw.toString('latin1'), config.secrets), 'latin1'))
    return exitCodes.ok
  }
  const body = raw === null ? null : raw.toString('utf8')
  const text = invocation.options['raw'] === true ? (body ?? '') : JSON.stringify({ ...rest, raw: body }, null, 2)
  invocation.terminal.out(redact(text, config.secrets))
  return exitCodes.ok
}

async function replay(invocation: Invocation, service: InboxService, ids: readonly number[] | 'all'): Promise<number> {
  const { replayed, stillParked } = await service.replay(ids)
  if (invocation.options['json'] === true) invocation.terminal.out(JSON.stringify({ replayed, stillParked }, null, 2))
  else {
    invocation.terminal.out(`${replayed} replayed, ${stillParked.length} still parked.`)
    for (const item of stillParked) invocation.terminal.out(`  ${item.id}  ${item.reason}`)
  }
  return stillParked.length === 0 ? exitCodes.ok : exitCodes.failed
}
