import { defineAnalytics } from '@throughline/plugin-sdk'
import { Registry, collectDefaultMetrics } from 'prom-client'
import { createEventCounters } from './event-counters.js'

/**
 * Counts the events of the log for Prometheus. Every node counts the whole log from its start on, so a query over several
 * nodes takes the maximum of the rates, not their sum: see the README. Labels come from closed lists and from the
 * configuration (types of events, channels); customers' data never gets here, because the plugin asks for none.
 */
export default defineAnalytics({
  name: 'analytics-prometheus',
  version: '0.1.0',
  title: 'Prometheus metrics',
  config: {
    type: 'object',
    properties: {
      prefix: {
        type: 'string',
        default: 'throughline_',
        pattern: '^[a-zA-Z_][a-zA-Z0-9_]*$',
        description: 'First part of the names of the metrics about conversations',
      },
      process: {
        type: 'boolean',
        default: true,
        description: 'Also metrics of the process: memory, CPU, event loop, garbage collection',
      },
    },
  },
  setup({ config }) {
    const registry = new Registry()
    const counters = createEventCounters(registry, config.prefix)
    if (config.process) collectDefaultMetrics({ register: registry })
    return {
      events: '*',
      pii: 'none',
      scope: 'node',
      batch: { max: 1_000, waitMs: 250 },
      handle: async (batch) => counters.count(batch),
      exposition: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
      stop: async () => registry.clear(),
    }
  },
})
