import { sql, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'

type Skills = Readonly<Record<string, number>>

/** Adds to what an item asks for; of two levels the higher one counts. The item's lock is held. */
export async function addSkills(trx: Transaction<Tables>, item: string, skills: Skills): Promise<void> {
  await sql`
    update work_item w set skills = (
      select jsonb_object_agg(key, level) from (
        select key, max(value::int) as level
        from (select * from jsonb_each_text(w.skills) union all select * from jsonb_each_text(${JSON.stringify(skills)}::jsonb)) s
        group by key) merged)
    where id = ${item}`.execute(trx)
}

/** Open offers of an item to agents who lack one of these skills. The item's lock is held. */
export async function pendingWithout(
  trx: Transaction<Tables>,
  item: string,
  skills: Skills,
): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    select o.id from offer o join agent a on a.id = o.agent_id
    where o.item_id = ${item} and o.state = 'pending' and exists (
      select 1 from jsonb_each_text(${JSON.stringify(skills)}::jsonb) s
      where coalesce((a.skills->>s.key)::int, 0) < s.value::int)`.execute(trx)
  return rows.map((row) => row.id)
}
