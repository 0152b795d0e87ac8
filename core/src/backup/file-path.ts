import { join } from 'node:path'

/** Where `core/src/plugins/files.ts` keeps the bytes of a key. A test holds the two together. */
export const storedFile = (dir: string, key: string): string => join(dir, key.slice(0, 2), key.slice(2, 4), key)
