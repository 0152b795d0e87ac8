import type { Metrics } from '@throughline/plugin-sdk'

/** A plugin that puts ids into labels must not fill the memory: series beyond this are added up in one. */
const maxSeries = 200

export interface PluginMetrics {
  of(instance: string): Metrics
  /** Text exposition of all counters of this node. */
  exposition(): string
}

export function createPluginMetrics(): PluginMetrics {
  const counters = new Map<string, Map<string, number>>()
  return Object.freeze({
    of: (instance) =>
      Object.freeze({
        count(name, value = 1, labels = {}) {
          if (!Number.isFinite(value) || value < 0) return
          const full = `plugin_${instance}_${name}`.replaceAll(/[^a-zA-Z0-9_]/g, '_')
          let series = counters.get(full)
          if (series === undefined) counters.set(full, (series = new Map<string, number>()))
          let key = Object.entries(labels)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(
              ([label, text]) =>
                `${label.replaceAll(/[^a-zA-Z0-9_]/g, '_')}=${JSON.stringify(String(text).slice(0, 100))}`,
            )
            .join(',')
          if (!series.has(key) && series.size >= maxSeries) key = 'other="true"'
          series.set(key, (series.get(key) ?? 0) + value)
        },
      } satisfies Metrics),
    exposition() {
      const lines: string[] = []
      for (const [name, series] of counters) {
        lines.push(`# TYPE ${name} counter`)
        for (const [labels, value] of series)
          lines.push(labels === '' ? `${name} ${value}` : `${name}{${labels}} ${value}`)
      }
      return lines.length === 0 ? '' : lines.join('\n') + '\n'
    },
  } satisfies PluginMetrics)
}
