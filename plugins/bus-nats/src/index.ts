import { defineBus } from '@throughline/plugin-sdk'
import { NatsBus } from './bus.js'
import { schema } from './config.js'
import { open } from './connection.js'

/** Nodes wake each other over NATS core instead of PostgreSQL's LISTEN/NOTIFY. */
export default defineBus({
  name: 'bus-nats',
  version: '0.1.0',
  title: 'NATS',
  docs: 'README.md',
  config: schema,
  setup: (context) => new NatsBus(context),
  async check({ config, id }) {
    const connection = await open(config, `throughline ${id} check`)
    try {
      const milliseconds = await connection.rtt()
      return { ok: true, detail: `${connection.getServer()} answers in ${milliseconds} ms` }
    } finally {
      await connection.close()
    }
  },
})
