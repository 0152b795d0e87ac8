import type { Priority } from '@throughline/plugin-sdk'
import type { QueueConfig } from '../config/contract.js'
import type { ScanRow } from './scan-store.js'
import { headStart, STRICT_S } from './units.js'

const US = 1_000_000

/**
 * An item's place among those of other queues, in microseconds: its rank, less what its queue has in advance. The years by
 * which a strict queue puts priorities apart count inside of it only; to the outside its items have the ordinary head start.
 */
export function among(queues: ReadonlyMap<string, QueueConfig>): (row: ScanRow) => number {
  return (row) => {
    const queue = queues.get(row.queue)
    const ahead = (queue?.headStartSeconds ?? 0) * US
    if (queue?.strict !== true) return row.rankUs - ahead
    const years = Math.round((row.firstUs - row.rankUs) / US / STRICT_S) * STRICT_S
    return row.rankUs + (years - headStart(row.priority as Priority)) * US - ahead
  }
}
