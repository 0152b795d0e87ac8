import { ThroughlineError } from '../errors.js'
import type { Invocation } from './command.js'
import { exitCodes } from './exit-codes.js'
import { argument } from './print.js'
import { withServices } from './with-services.js'

/** `plugin release <id>`: whoever mended the plugin says so. */
export function releasePlugin(invocation: Invocation): Promise<number> {
  const id = argument(invocation, 1, 'the id of the instance', 'plugin release <id>')
  return withServices(invocation, async (services) => {
    if ((await services.quarantine.release(id)) === 0) {
      const others = (await services.quarantine.list()).map(({ instance }) => instance)
      const known = others.length === 0 ? 'nothing is in quarantine' : `in quarantine: ${others.join(', ')}`
      throw new ThroughlineError('TL_REQUEST_NOT_FOUND', `${id} is not in quarantine; ${known}`)
    }
    invocation.terminal.out(`${id} runs again within 5 seconds`)
    return exitCodes.ok
  })
}
