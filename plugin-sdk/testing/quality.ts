import { writeFileSync } from 'node:fs'
import type { ConformanceReport } from './checks.js'

/**
 * Writes what the kit found to `quality.yaml` beside the plugin, when THROUGHLINE_WRITE_QUALITY is set: a normal test run
 * changes no files.
 */
export function recordQuality(
  root: URL,
  plugin: { readonly name: string; readonly version: string },
  report: ConformanceReport,
): void {
  if (!process.env['THROUGHLINE_WRITE_QUALITY']) return
  writeFileSync(new URL('quality.yaml', root), qualityNotes(plugin, report))
}

export function qualityNotes(
  plugin: { readonly name: string; readonly version: string },
  report: ConformanceReport,
): string {
  const list = (ids: readonly string[]) => (ids.length === 0 ? 'none' : ids.join(' '))
  const skipped = Object.entries(report.skipped).map(([id, reason]) => `  ${id}: '${reason.replaceAll("'", "''")}'`)
  return [
    '# Written by the conformance kit (THROUGHLINE_WRITE_QUALITY=1); the guide for plugin authors says what the checks mean.',
    `plugin: ${plugin.name}`,
    `version: ${plugin.version}`,
    `grade: ${report.grade}`,
    `passed: ${list(report.passed)}`,
    `failed: ${list(report.failed)}`,
    ...(skipped.length === 0 ? ['skipped: {}'] : ['skipped:', ...skipped]),
    '',
  ].join('\n')
}
