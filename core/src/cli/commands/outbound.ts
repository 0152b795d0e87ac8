import { type Command } from '../command.js'
import { exitCodes } from '../exit-codes.js'
import { dateText, option, printList } from '../print.js'
import { withServices } from '../with-services.js'

export const outbound: Command = {
  usage: 'outbound list | release [--channel ID]',
  summary: 'Answers that a restore holds, because they may have been sent after the backup was made.',
  help: [
    'list     how many answers are held for each channel, and since when the oldest waits; --json for machines',
    'release  sends them (again), in their order; --channel ID those of one channel only.',
    '         A network that drops repeats by key does not deliver twice. Agents can also retry a single answer.',
  ],
  actions: ['list', 'release'],
  options: { channel: { type: 'string' }, json: { type: 'boolean' } },
  async run(invocation) {
    if (invocation.positionals[0] === 'list') {
      const held = await withServices(invocation, (services) => services.held.list())
      const head = ['channel', 'answers', 'oldest']
      printList(
        invocation,
        held,
        head,
        (one) => [one.channel, String(one.messages), dateText(one.oldest)],
        'No answer is held.',
      )
      return exitCodes.ok
    }
    const released = await withServices(invocation, (services) => services.held.release(option(invocation, 'channel')))
    if (invocation.options['json'] === true) invocation.terminal.out(JSON.stringify({ released }, null, 2))
    else invocation.terminal.out(`${released} released; a running engine sends them within seconds.`)
    return exitCodes.ok
  },
}
