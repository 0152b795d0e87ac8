import type { Migration } from 'kysely'
import * as init from './0001_init.js'
import * as sla from './0002_sla.js'
import * as offers from './0003_offers.js'
import * as hours from './0004_hours.js'
import * as rules from './0005_rules.js'
import * as faults from './0007_faults.js'
import * as quiet from './0008_quiet.js'
import * as scan from './0009_scan.js'
import * as preferred from './0010_preferred.js'
import * as webhooks from './0011_webhooks.js'
import * as choices from './0012_choices.js'
import * as flight from './0013_flight.js'
import * as hands from './0014_hands.js'
import * as vacuum from './0015_vacuum.js'
import * as waiver from './0016_waiver.js'
import * as fair from './0017_fair.js'

/** Every migration by name; the names' order is the order of running. Forward only: none has a `down`. */
export const migrations: Readonly<Record<string, Migration>> = Object.freeze({
  '0001_init': { up: init.up },
  '0002_sla': { up: sla.up },
  '0003_offers': { up: offers.up },
  '0004_hours': { up: hours.up },
  '0005_rules': { up: rules.up },
  '0007_faults': { up: faults.up },
  '0008_quiet': { up: quiet.up },
  '0009_scan': { up: scan.up },
  '0010_preferred': { up: preferred.up },
  '0011_webhooks': { up: webhooks.up },
  '0012_choices': { up: choices.up },
  '0013_flight': { up: flight.up },
  '0014_hands': { up: hands.up },
  '0015_vacuum': { up: vacuum.up },
  '0016_waiver': { up: waiver.up },
  '0017_fair': { up: fair.up },
})
