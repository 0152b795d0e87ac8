import type { Support } from '@throughline/plugin-sdk'
import { ThroughlineError } from '../errors.js'

/** Native or not; undeclared is degraded by the planner. Throws where the channel says that it must not be tried. */
export function carries(support: Support | undefined, what: string): boolean {
  if (support === 'reject') {
    throw new ThroughlineError(
      'TL_CHANNEL_UNSUPPORTED',
      `this channel does not take ${what}, not even in another form; leave it out or answer on another channel`,
    )
  }
  return support === 'full' || support === 'partial'
}
