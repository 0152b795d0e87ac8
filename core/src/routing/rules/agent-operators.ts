import { didYouMean } from '../../suggest.js'
import { checked, MANY, operator, type Operator, type Run } from './operator.js'

const LEVELS = ['A1', 'A2', 'B1', 'B2', 'C1', 'C2']

interface Agent {
  readonly teams?: unknown
  readonly skills?: unknown
  readonly languages?: unknown
}

/** The fact `agent`; null where nobody had the conversation yet. */
function agentOf(run: Run): Agent | null {
  const agent = (run.facts as { readonly agent?: unknown } | null)?.agent
  return typeof agent === 'object' && agent !== null ? agent : null
}

function own(of: unknown, key: unknown): unknown {
  return typeof of === 'object' && of !== null && typeof key === 'string' && Object.hasOwn(of, key)
    ? (of as Readonly<Record<string, unknown>>)[key]
    : null
}

/** About the agent to whom the conversation would go back: who had it last. False without one. */
export const agentOperators: Readonly<Record<string, Operator>> = Object.freeze({
  skill_gte: checked(
    operator([2, 2], ['string', 'number'], 'boolean', ([skill, level], run) => {
      const has = own(agentOf(run)?.skills, skill)
      return typeof has === 'number' && typeof level === 'number' && has >= level
    }),
    ({ args: [skill], names, error }) => {
      if (typeof skill !== 'string' || names.skills.includes(skill)) return
      error(0, `"${skill.slice(0, 60)}" is not a skill of throughline.yaml${didYouMean(skill, names.skills)}`)
    },
  ),
  lang_gte: checked(
    operator([2, 2], ['string'], 'boolean', ([tag, level], run) => {
      const has = LEVELS.indexOf(String(own(agentOf(run)?.languages, tag)))
      return has >= 0 && typeof level === 'string' && LEVELS.includes(level) && has >= LEVELS.indexOf(level)
    }),
    ({ args: [, level], error }) => {
      if (typeof level === 'string' && !LEVELS.includes(level))
        error(1, `"${level.slice(0, 20)}" is not a level: write one of ${LEVELS.join(', ')}`)
    },
  ),
  in_team: checked(
    operator([1, MANY], ['any'], 'boolean', (teams, run) => {
      const of = agentOf(run)?.teams
      return Array.isArray(of) && teams.flat().some((team) => of.includes(team))
    }),
    ({ args, names, error }) => {
      args.forEach((arg, index) => {
        for (const team of [arg].flat()) {
          if (typeof team !== 'string' || names.teams.includes(team)) continue
          error(index, `"${team.slice(0, 60)}" is not a team of throughline.yaml${didYouMean(team, names.teams)}`)
        }
      })
    },
  ),
})
