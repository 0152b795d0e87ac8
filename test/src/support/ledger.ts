import pg from 'pg'

/** Looks into the engine's database from outside: what is really there, whatever the engine says. */
export async function rowsOf<T extends pg.QueryResultRow>(
  databaseUrl: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<T[]> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'throughline-test-ledger' })
  await client.connect()
  try {
    return (await client.query<T>(sql, [...values])).rows
  } finally {
    await client.end()
  }
}

/** Inbound events not yet applied, and events without a position. */
export async function undone(databaseUrl: string): Promise<number> {
  const rows = await rowsOf<{ n: string }>(
    databaseUrl,
    `select (select count(*) from inbox_waiting) + (select count(*) from outbox) as n`,
  )
  return Number(rows[0]?.n)
}
