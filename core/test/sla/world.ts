import { randomUUID } from 'node:crypto'
import { createCalendars } from '../../src/calendars/calendar.js'
import type { CalendarDefinition } from '../../src/calendars/contract.js'
import { readHead, readLog, sequenceOutbox, insertOutbox } from '../../src/events/outbox-store.js'
import type { NewEvent, StoredEvent } from '../../src/events/contract.js'
import type { RuleFileKind } from '../../src/routing/contract.js'
import { workRanks } from '../../src/routing/ranks.js'
import { readRuleFile } from '../../src/routing/rules/rule-file.js'
import type { ClockView, Metric } from '../../src/sla/contract.js'
import { createKnownCalendars } from '../../src/sla/known-calendars.js'
import { createSla, type Sla } from '../../src/sla/sla.js'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'

export const office: CalendarDefinition & { readonly id: string } = {
  id: 'office',
  timeZone: 'UTC',
  weekly: Object.fromEntries(['mon', 'tue', 'wed', 'thu', 'fri'].map((day) => [day, ['09:00-17:00']])),
  holidays: [],
  overrides: {},
}

/** First reply 15 min, next reply 30 min, resolution 4 h, every second of them. */
export const scenarioTargets = {
  first_reply: [{ minutes: 15 }],
  next_reply: [{ minutes: 30 }],
  total_resolution: [{ hours: 4 }],
}

export function slaFile(then: object, more: readonly object[] = []): string {
  return JSON.stringify({
    $version: '1',
    rules: [...more, { id: 'standard', when: true, then }],
    tests: [{ facts: {}, expect: 'standard' }],
  })
}

export interface WorldOptions {
  readonly sla?: string
  readonly escalation?: string
  readonly calendars?: readonly (CalendarDefinition & { readonly id: string })[]
  readonly store?: Store
}

/** 2026-03-09 is a Monday; `10:15` and `10:15:30` are times of that day, `+1 09:00` of the next. All UTC. */
export function at(text: string): Date {
  const [, day, time = ''] = /^(?:\+(\d) )?([\d:.]+)$/.exec(text) ?? []
  return new Date(Date.parse(`2026-03-09T${time.length === 5 ? `${time}:00` : time}Z`) + Number(day ?? 0) * 86_400_000)
}

/** Real clocks on a real database; only the log's events are written by hand, because they happened at chosen times. */
export async function slaWorld(t: { teardown(fn: () => void | Promise<void>): void }, options: WorldOptions = {}) {
  const store = options.store ?? (await withDatabase(t))
  const { db, pool } = store
  const definitions = options.calendars ?? [office]
  const calendars = createCalendars(definitions)
  const names = {
    queues: new Map([
      ['support', null],
      ['lead', null],
    ]),
    skills: [],
    teams: [],
    calendars,
  }
  const files = new Map<RuleFileKind, ReturnType<typeof readRuleFile>>()
  const use = (kind: RuleFileKind, text: string): void => {
    const file = readRuleFile(text, `${kind}.json`, kind, { ...names, definitions: [] })
    if (!file.ok) throw new Error(file.problems.map((problem) => problem.message).join('; '))
    files.set(kind, file)
  }
  use('sla', options.sla ?? slaFile({ targets: scenarioTargets }))
  if (options.escalation !== undefined) use('escalation', options.escalation)
  const rules = {
    evaluate: (kind: RuleFileKind, facts: Readonly<Record<string, unknown>>) => {
      const file = files.get(kind)
      return file?.ok === true ? file.evaluate(facts) : null
    },
  }
  const log: StoredEvent[] = []
  const reassigned: { conversation: string; queue: string }[] = []
  let clock = at('10:00')
  const sla: Sla = createSla({
    db,
    ids: () => randomUUID(),
    now: () => clock.getTime(),
    log: { warn: (fields) => warnings.push(fields), error: (fields) => warnings.push(fields) },
    rules,
    calendars,
    known: createKnownCalendars({ db, calendars, definitions }),
    channelKind: (channel) => (['webchat', 'email'].includes(channel) ? channel : 'messaging'),
    promise: workRanks.promise,
    ranks: workRanks,
    reader: {
      read: (after, limit) => readLog(db, after, limit),
      head: () => 0,
      subscribe: () => () => undefined,
    },
    events: {
      append: insertOutbox,
      poke: () => undefined,
    },
    reassign: async (conversation, queue) => {
      reassigned.push({ conversation, queue })
      await pool.query('update conversation set queue = $2 where id = $1', [conversation, queue])
    },
    works: true,
  })
  const warnings: unknown[] = []
  await createKnownCalendars({ db, calendars, definitions }).remember()

  /** One transaction of the engine at a chosen time, then everything in the log reaches the clocks. */
  const happen = async (when: string, events: readonly NewEvent[]): Promise<void> => {
    clock = at(when)
    await pool.query('delete from outbox where false')
    await db.transaction().execute((trx) => insertOutbox(trx, events))
    await pool.query('update outbox set at = $1', [clock])
    await settle()
  }
  /** Follows the log to its end, and fires what was due at `until` (default: nothing). */
  const settle = async (until?: string): Promise<void> => {
    const upTo = until === undefined ? at('00:00') : at(until)
    let before = -1
    for (let head = 0; head !== before;) {
      before = head
      while ((await sequenceOutbox(db, 1000)).length > 0) continue
      await sla.catchUp(upTo)
      while ((await sequenceOutbox(db, 1000)).length > 0) continue
      head = (await readHead(db)).position
    }
    log.splice(0, log.length, ...(await readLog(db, 0, 10_000)))
  }

  const contact = randomUUID()
  await pool.query("insert into contact (id, name) values ($1, 'Kim')", [contact])

  return {
    store,
    sla,
    log,
    reassigned,
    warnings,
    contact,
    use,
    happen,
    settle,
    /** Fires what is due until then, without any new event. */
    pass: (until: string) => settle(until),
    async conversation(channel = 'webchat'): Promise<Talk> {
      const id = randomUUID()
      const touchpoints = new Map<string, string>()
      await pool.query("insert into conversation (id, contact_id, queue) values ($1, $2, 'support')", [id, contact])
      const touchpoint = async (name: string): Promise<string> => {
        const known = touchpoints.get(name)
        if (known !== undefined) return known
        const made = randomUUID()
        touchpoints.set(name, made)
        await pool.query(
          'insert into touchpoint (id, conversation_id, contact_id, channel, thread) values ($1, $2, $3, $4, $5)',
          [made, id, contact, name, made],
        )
        return made
      }
      const message = async (fields: Record<string, unknown>): Promise<string> => {
        const message = randomUUID()
        const row = {
          id: message,
          conversation_id: id,
          text: 'x',
          parts: '[]',
          provider_at: clock,
          at: clock,
          ...fields,
        }
        const columns = Object.keys(row)
        await pool.query(
          `insert into message (${columns.join(', ')}) values (${columns.map((_, i) => `$${i + 1}`).join(', ')})`,
          Object.values(row),
        )
        return message
      }
      const system = { kind: 'system', id: null } as const
      const work = (type: NewEvent['type'], data: object = {}): NewEvent => ({
        type,
        conversation: id,
        actor: system,
        data: { queue: 'support', ...data },
      })
      const out = async (when: string, author: string, state: string, where = channel): Promise<string> => {
        clock = at(when)
        const sent = await message({
          direction: 'out',
          author_kind: author,
          author_id: author,
          channel: where,
          touchpoint_id: await touchpoint(where),
          automatic: author === 'system',
          state,
        })
        await pool.query(
          `insert into send (id, message_id, conversation_id, touchpoint_id, channel, thread, part, state, settled_at)
           values ($1, $2, $3, $4, $5, 'x', '{}', 'sent', $6)`,
          [randomUUID(), sent, id, await touchpoint(where), where, clock],
        )
        await happen(when, [
          { type: 'message.sent', conversation: id, contact, actor: system, data: { messageId: sent } },
        ])
        return sent
      }
      let begun = false
      return {
        id,
        async says(when, more = {}) {
          clock = at(when)
          const where = more.channel ?? channel
          const automatic = more.automatic === true
          const messageId = await message({
            direction: 'in',
            author_kind: 'customer',
            channel: where,
            touchpoint_id: await touchpoint(where),
            automatic,
            provider_at: at(more.written ?? when),
          })
          const actor = { kind: 'customer', id: contact } as const
          await happen(when, [
            ...(begun ? [] : [{ type: 'conversation.created', conversation: id, contact, actor, data: {} } as const]),
            {
              type: 'message.inbound',
              conversation: id,
              contact,
              actor,
              data: { messageId, touchpoint: await touchpoint(where), ...(automatic ? { automatic } : {}) },
            },
            ...(begun || automatic ? [] : [work(more.bot === true ? 'work.held' : 'work.queued', { reason: 'bot' })]),
          ])
          begun ||= !automatic
        },
        answers: (when, where) => out(when, 'agent', 'sent', where),
        botAnswers: (when) => out(when, 'bot', 'sent'),
        autoReplies: (when) => out(when, 'system', 'sent'),
        async fails(when, messageId) {
          await pool.query("update message set state = 'failed' where id = $1", [messageId])
          const data = { messageId }
          await happen(when, [{ type: 'message.failed', conversation: id, contact, actor: system, data }])
        },
        notes: (when) =>
          happen(when, [
            { type: 'note.added', conversation: id, contact, actor: system, data: { messageId: randomUUID() } },
          ]),
        queued: (when) => happen(when, [work('work.queued')]),
        async status(when, status, from = 'open') {
          await pool.query('update conversation set status = $2 where id = $1', [id, status])
          const type =
            status === 'resolved'
              ? 'conversation.resolved'
              : from === 'resolved'
                ? 'conversation.reopened'
                : 'conversation.updated'
          await happen(when, [{ type, conversation: id, contact, actor: system, data: { status, from } }])
        },
        async change(when, fields) {
          const columns = Object.keys(fields)
          await pool.query(
            `update conversation set ${columns.map((name, i) => `${name} = $${i + 2}`).join(', ')} where id = $1`,
            [id, ...Object.values(fields)],
          )
          const data = { changed: columns }
          await happen(when, [{ type: 'conversation.updated', conversation: id, contact, actor: system, data }])
        },
        async joins(when, from) {
          await pool.query("update conversation set status = 'joined' where id = $1", [from])
          const data = { from, into: id }
          await happen(when, [{ type: 'conversation.joined', conversation: id, contact, actor: system, data }])
        },
        clocks: () => sla.clocksOf(id),
        async clock(metric, cycle = 1) {
          const found = (await sla.clocksOf(id)).find((one) => one.metric === metric && one.cycle === cycle)
          if (found === undefined) throw new Error(`there is no clock ${metric} ${cycle}`)
          return found
        },
        events: (type) => log.filter((event) => event.conversation === id && event.type === type),
      }
    },
  }
}

export interface Talk {
  readonly id: string
  says(when: string, more?: { channel?: string; automatic?: boolean; bot?: boolean; written?: string }): Promise<void>
  answers(when: string, channel?: string): Promise<string>
  botAnswers(when: string): Promise<string>
  autoReplies(when: string): Promise<string>
  fails(when: string, message: string): Promise<void>
  notes(when: string): Promise<void>
  queued(when: string): Promise<void>
  status(when: string, status: string, from?: string): Promise<void>
  change(when: string, fields: Record<string, unknown>): Promise<void>
  joins(when: string, from: string): Promise<void>
  clocks(): Promise<readonly ClockView[]>
  clock(metric: Metric, cycle?: number): Promise<ClockView>
  events(type: string): readonly StoredEvent[]
}
