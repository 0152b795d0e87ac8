import { existsSync } from 'node:fs'

/** The part of a tap test used here. */
interface TestWithTeardown {
  teardown(fn: () => unknown): void
}

interface DatabaseSupport {
  withDatabaseUrl(t: TestWithTeardown): Promise<string>
}

/**
 * DATABASE_URL of a fresh, migrated database for a black-box test, dropped at teardown. The work is done by core's own
 * test support, found by its place in the repository: it is no part of what the package offers.
 */
export async function freshDatabaseUrl(t: TestWithTeardown): Promise<string> {
  const support = new URL('../../../../core/dist/test/support/database.js', import.meta.url)
  if (!existsSync(support)) throw new Error('core’s test support is not built: run `npm run build` first')
  const { withDatabaseUrl } = (await import(support.href)) as DatabaseSupport
  return withDatabaseUrl(t)
}
