import type { Lifecycle } from './define.js'

/** Static files of a web page. Files only: no server code, no privilege; it uses the public API like any tool. */
export interface Surface extends Lifecycle {
  /** Default mount, `/console`; `mount:` in YAML wins. */
  readonly mount: string
  /** Built files inside the package: `new URL('../public/', import.meta.url)`. */
  readonly root: URL
  /** Default `index.html`. */
  readonly index?: string
  /** An unknown path without a dot answers the index. */
  readonly spa?: boolean
  readonly audience: 'agent' | 'customer' | 'public'
  /** Other sites may frame or load it (a widget). */
  readonly embed?: boolean
  /** Published as `<mount>/config.json`. */
  readonly settings?: Readonly<Record<string, unknown>>
}
