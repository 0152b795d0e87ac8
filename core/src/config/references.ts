import { isIP } from 'node:net'
import type { ErrorCode } from '../errors.js'
import { joinPointer } from './pointer.js'
import { instanceSections } from './problem.js'
import { entriesOf, isRecord, listOf, member, textOf } from './raw.js'
import { suggest } from '../suggest.js'
import { checkWebhooks } from './webhook-checks.js'

/** Says that something is wrong at a pointer. The caller knows file and positions. */
export type Report = (
  severity: 'error' | 'warning',
  code: ErrorCode,
  pointer: string,
  message: string,
  remedy: string,
) => void

/** First segments of paths that belong to the engine itself. */
export const reservedMounts = Object.freeze(['v1', 'channels', 'health', 'metrics', 'files'])

/** Checks of the whole that a schema cannot express. The data may be malformed: every access is careful. */
export function checkReferences(data: unknown, report: Report): void {
  checkQueues(data, report)
  checkTeams(data, report)
  checkAgents(data, report)
  checkSkillsUsed(data, report)
  checkInstanceIds(data, report)
  checkMounts(data, report)
  checkProxies(data, report)
  checkWebhooks(data, report)
}

function names(data: unknown, section: string): readonly string[] {
  return entriesOf(member(data, section)).map(([id]) => id)
}

function unknownName(report: Report, pointer: string, what: string, name: string, known: readonly string[]): void {
  const near = suggest(name, known)
  const message = `${what} "${name}" is not defined${near === null ? '' : `, did you mean "${near}"?`}`
  const list = known.length === 0 ? `none is defined yet` : `defined: ${known.slice(0, 12).join(', ')}`
  const remedy =
    near === null ? `Define it, or name one that exists (${list}).` : `Write "${near}", or define "${name}".`
  report('error', 'TL_CONFIG_REFERENCE_UNKNOWN', pointer, message, remedy)
}

function checkNames(report: Report, pointer: string, what: string, value: unknown, known: readonly string[]): void {
  listOf(value).forEach((name, index) => {
    if (typeof name === 'string' && !known.includes(name)) {
      unknownName(report, joinPointer(pointer, index), what, name, known)
    }
  })
}

function checkQueues(data: unknown, report: Report): void {
  const queues = entriesOf(member(data, 'queues'))
  const ids = queues.map(([id]) => id)
  const teams = names(data, 'teams')
  const calendars = names(data, 'calendars')
  const overflow = new Map<string, string>()
  const staffed = new Set(entriesOf(member(data, 'agents')).flatMap(([, agent]) => listOf(member(agent, 'teams'))))
  for (const [id, queue] of queues) {
    const at = joinPointer('/queues', id)
    checkNames(report, `${at}/teams`, 'team', member(queue, 'teams'), teams)
    const calendar = textOf(member(queue, 'calendar'))
    if (calendar !== null && !calendars.includes(calendar)) {
      unknownName(report, `${at}/calendar`, 'calendar', calendar, calendars)
    }
    const next = textOf(member(queue, 'overflow'))
    if (next !== null && !ids.includes(next)) unknownName(report, `${at}/overflow`, 'queue', next, ids)
    else if (next !== null) overflow.set(id, next)
    const served = listOf(member(queue, 'teams'))
    if (served.length > 0 && !served.some((team) => staffed.has(team))) {
      const message = `no agent of this file belongs to a team of queue "${id}"`
      report(
        'warning',
        'TL_CONFIG_QUEUE_UNSTAFFED',
        at,
        message,
        'Give an agent one of its teams, here or with `throughline agent add`.',
      )
    }
  }
  checkOverflowCycles(overflow, report)
  const chosen = textOf(member(data, 'defaultQueue'))
  if (chosen !== null && chosen !== '' && !ids.includes(chosen)) {
    unknownName(report, '/defaultQueue', 'queue', chosen, ids)
  }
}

function checkTeams(data: unknown, report: Report): void {
  const calendars = names(data, 'calendars')
  for (const [id, team] of entriesOf(member(data, 'teams'))) {
    const calendar = textOf(member(team, 'calendar'))
    if (calendar === null || calendars.includes(calendar)) continue
    unknownName(report, `${joinPointer('/teams', id)}/calendar`, 'calendar', calendar, calendars)
  }
}

/** Every queue has at most one overflow, so a walk either ends or comes back; each circle is reported once. */
function checkOverflowCycles(overflow: ReadonlyMap<string, string>, report: Report): void {
  const settled = new Set<string>()
  for (const start of overflow.keys()) {
    const walk: string[] = []
    let at: string | undefined = start
    while (at !== undefined && !settled.has(at) && !walk.includes(at)) {
      walk.push(at)
      at = overflow.get(at)
    }
    if (at !== undefined && walk.includes(at)) {
      const circle = walk.slice(walk.indexOf(at))
      const message = `overflow goes round in a circle: ${[...circle, at].join(' -> ')}`
      const pointer = `${joinPointer('/queues', circle.at(-1) ?? at)}/overflow`
      report('error', 'TL_CONFIG_OVERFLOW_CYCLE', pointer, message, 'Remove one `overflow` of the circle.')
    }
    for (const id of walk) settled.add(id)
  }
}

function checkAgents(data: unknown, report: Report): void {
  const teams = names(data, 'teams')
  const agents = names(data, 'agents')
  const seen = new Map<string, string>()
  for (const [id, agent] of entriesOf(member(data, 'agents'))) {
    const at = joinPointer('/agents', id)
    checkNames(report, `${at}/teams`, 'team', member(agent, 'teams'), teams)
    const backup = textOf(member(agent, 'backup'))
    if (backup !== null && !agents.includes(backup)) unknownName(report, `${at}/backup`, 'agent', backup, agents)
    const email = textOf(member(agent, 'email'))?.toLowerCase() ?? null
    if (email === null) continue
    const other = seen.get(email)
    if (other !== undefined) {
      const message = `agents "${other}" and "${id}" have the same e-mail address`
      report('error', 'TL_CONFIG_DUPLICATE', `${at}/email`, message, 'Give each agent an address of their own.')
    } else seen.set(email, id)
  }
}

function checkSkillsUsed(data: unknown, report: Report): void {
  const known = listOf(member(data, 'skills')).filter((name) => typeof name === 'string')
  const best = new Map<string, number>()
  const uses: { pointer: string; name: string; level: number; queue: string }[] = []
  for (const section of ['agents', 'queues'] as const) {
    for (const [id, entry] of entriesOf(member(data, section))) {
      for (const [name, level] of entriesOf(member(entry, 'skills'))) {
        const pointer = joinPointer(`${joinPointer(`/${section}`, id)}/skills`, name)
        if (!known.includes(name)) unknownName(report, pointer, 'skill', name, known)
        else if (typeof level !== 'number') continue
        else if (section === 'agents') best.set(name, Math.max(level, best.get(name) ?? 0))
        else uses.push({ pointer, name, level, queue: id })
      }
    }
  }
  for (const use of uses) {
    const has = best.get(use.name) ?? 0
    if (has >= use.level) continue
    const message = `queue "${use.queue}" needs skill "${use.name}" at level ${use.level}, and no agent of this file has it`
    report('warning', 'TL_CONFIG_SKILL_UNUSED', use.pointer, message, 'Give an agent the skill, or ask for less.')
  }
}

/** Logs, metrics and stored state go by the instance id alone, so it is unique over all kinds. */
function checkInstanceIds(data: unknown, report: Report): void {
  const seen = new Map<string, string>()
  if (member(data, 'bus') !== undefined) seen.set('bus', 'bus')
  for (const section of instanceSections) {
    for (const id of names(data, section)) {
      const other = seen.get(id)
      if (other === undefined) seen.set(id, section)
      else {
        const message = `the id "${id}" is already used under ${other}`
        const remedy = 'Choose another id; every plugin instance needs one of its own.'
        report('error', 'TL_CONFIG_DUPLICATE', joinPointer(`/${section}`, id), message, remedy)
      }
    }
  }
}

function checkMounts(data: unknown, report: Report): void {
  const taken = new Map<string, string>()
  for (const [id, surface] of entriesOf(member(data, 'surfaces'))) {
    const mount = textOf(member(surface, 'mount'))
    if (mount === null) continue
    const pointer = `${joinPointer('/surfaces', id)}/mount`
    const other = taken.get(mount)
    if (reservedMounts.includes(mount.split('/')[1] ?? '')) {
      const message = `"${mount}" belongs to the engine`
      report('error', 'TL_SURFACE_MOUNT_TAKEN', pointer, message, `Use a path outside /${reservedMounts.join(', /')}.`)
    } else if (other !== undefined) {
      const message = `"${mount}" is already the mount of "${other}"`
      report('error', 'TL_SURFACE_MOUNT_TAKEN', pointer, message, 'Give one of the two another mount.')
    } else taken.set(mount, id)
  }
}

function checkProxies(data: unknown, report: Report): void {
  const server = member(data, 'server')
  if (!isRecord(server)) return
  listOf(server['trustProxy']).forEach((entry, index) => {
    if (typeof entry !== 'string' || isNetwork(entry)) return
    const message = `"${entry.slice(0, 60)}" is neither an address nor a network`
    report(
      'error',
      'TL_CONFIG_INVALID',
      `/server/trustProxy/${index}`,
      message,
      'Write "10.0.0.0/8", "::1" or "192.0.2.7".',
    )
  })
}

function isNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128))
}
