/** A row of `plugin_quarantine`, as nodes and the command line read it. */
export interface Strike {
  readonly id: string
  readonly instance: string
  readonly operation: string
  readonly host: string
}

/**
 * What the watchdog's thread needs of a connection of its own: the main thread stands still. This file is loaded in that
 * thread a second time with all it imports, so it imports nothing.
 */
export interface Connection {
  query(text: string, values: readonly unknown[]): Promise<unknown>
}

/** Idempotency key: the strike's id, made by the thread. */
export async function suspect(connection: Connection, strike: Strike): Promise<void> {
  await connection.query(
    `insert into plugin_quarantine (id, instance, operation, node_host) values ($1, $2, $3, $4)
     on conflict (id) do nothing`,
    [strike.id, strike.instance, strike.operation, strike.host],
  )
}

export async function takeBack(connection: Connection, id: string): Promise<void> {
  await connection.query('delete from plugin_quarantine where id = $1 and confirmed_at is null', [id])
}

export async function confirm(connection: Connection, id: string): Promise<void> {
  await connection.query('update plugin_quarantine set confirmed_at = clock_timestamp() where id = $1', [id])
}
