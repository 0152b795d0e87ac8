import { ThroughlineError } from '../errors.js'

/** Version of the archive's own shape; a release reads its own and older ones. */
export const FORMAT = 1

export interface TableNote {
  readonly name: string
  /** In the order of the data; generated columns are left out. */
  readonly columns: readonly string[]
  readonly rows: number
  /** Over the COPY text of all its pieces, one after the other. */
  readonly sha256: string
}

export interface SequenceNote {
  readonly name: string
  /** As text: a bigint. null: never used. */
  readonly lastValue: string | null
}

/** The last entry of an archive. A file without one was cut short. */
export interface Manifest {
  readonly format: number
  readonly product: 'throughline'
  readonly release: string
  /** Database time of the snapshot, ISO 8601. */
  readonly at: string
  readonly epoch: string
  /** Names of the migrations the database had, in order. */
  readonly migrations: readonly string[]
  /** In an order that foreign keys allow. */
  readonly tables: readonly TableNote[]
  readonly sequences: readonly SequenceNote[]
  readonly files: {
    readonly count: number
    readonly bytes: number
    /** Keys the database knew and the folder did not have. */
    readonly missing: readonly string[]
  }
}

export const MANIFEST = 'manifest.json'
const CHUNK = /^tables\/([a-z_][a-z0-9_]*)\/\d{6}\.copy$/
const FILE = /^files\/([0-9a-f]{64})$/

export const chunkName = (table: string, number: number): string =>
  `tables/${table}/${String(number).padStart(6, '0')}.copy`
export const fileName = (key: string): string => `files/${key}`

export type EntryKind =
  | { readonly kind: 'rows'; readonly table: string }
  | { readonly kind: 'file'; readonly key: string }
  | { readonly kind: 'manifest' }

/** What an entry of an archive is, by its name; anything else does not belong there. */
export function entryKind(name: string): EntryKind {
  if (name === MANIFEST) return { kind: 'manifest' }
  const table = CHUNK.exec(name)?.[1]
  if (table !== undefined) return { kind: 'rows', table }
  const key = FILE.exec(name)?.[1]
  if (key !== undefined) return { kind: 'file', key }
  throw corrupt(`it holds an entry that no backup has (${JSON.stringify(name.slice(0, 80))})`)
}

export function parseManifest(text: string): Manifest {
  let value: Partial<Manifest> | null
  try {
    value = JSON.parse(text) as Partial<Manifest> | null
  } catch (error) {
    throw corrupt('its manifest is not JSON', error)
  }
  if (value?.product !== 'throughline' || typeof value.format !== 'number') throw corrupt('its manifest is not ours')
  if (value.format > FORMAT) {
    throw new ThroughlineError(
      'TL_BACKUP_NEWER',
      `The backup has format ${value.format} of release ${String(value.release)}; this release reads up to ${FORMAT}. ` +
        'Restore it with that release or a newer one.',
      { details: { format: value.format } },
    )
  }
  if (
    !Array.isArray(value.tables) ||
    !Array.isArray(value.sequences) ||
    !Array.isArray(value.migrations) ||
    !value.files
  )
    throw corrupt('its manifest is incomplete')
  return value as Manifest
}

export function corrupt(what: string, cause?: unknown): ThroughlineError {
  return new ThroughlineError(
    'TL_BACKUP_CORRUPT',
    `The file is not a whole backup: ${what}. Nothing was changed. Use another backup, or copy this one again.`,
    cause === undefined ? {} : { cause },
  )
}
