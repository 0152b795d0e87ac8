import { readFileSync } from 'node:fs'

/** Version of this release. The manifest stands beside `dist`; read at run time, so that it is not compiled in. */
export function releaseName(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return manifest.version
}
