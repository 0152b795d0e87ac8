import fc from 'fast-check'
import { test } from 'tap'
import { always, createCalendar } from '../../src/calendars/calendar.js'
import {
  cancel,
  fire,
  fulfil,
  isOpen,
  openClock,
  pause,
  resume,
  retarget,
  unfulfil,
  usedAt,
  type Clock,
} from '../../src/sla/clock.js'
import { at, office } from './world.js'

const business = createCalendar('office', office)
const target = (
  seconds: number,
  calendar = always,
  levels: readonly string[] = ['50%', '75%', '90%', '+15m', '+60m'],
) => ({
  seconds,
  calendar,
  levels,
  policy: 'p',
  policyVersion: '1',
})
const begin = (seconds: number, when: string, calendar = always): Clock =>
  openClock(
    { id: 'c', conversation: 'k', touchpoint: null, metric: 'first_reply', cycle: 1, openedBy: null },
    target(seconds, calendar),
    at(when),
  )

test('B31: a pause over two nights is not counted', async (t) => {
  let clock = begin(4 * 3600, '10:00', business)
  clock = pause(clock, at('11:00'), business)
  t.match(clock, { state: 'paused', usedS: 3600, dueAt: null })
  clock = resume(clock, at('+2 15:00'), business)
  t.same(clock.dueAt, at('+3 10:00'))
})

test('B33: two pauses', async (t) => {
  let clock = begin(7200, '10:00')
  for (const [from, to] of [
    ['10:30', '11:00'],
    ['11:15', '13:15'],
  ] as const) {
    clock = resume(pause(clock, at(from), always), at(to), always)
  }
  t.same([clock.usedS, clock.dueAt], [2700, at('14:30')])
})

test('B34: what is paused is never due', async (t) => {
  const clock = pause(begin(7200, '10:00'), at('10:30'), always)
  t.same([clock.dueAt, clock.nextAt], [null, null])
  t.same(fire(clock, at('+5 10:00'), always).levels, [])
})

test('B35, B37: another target keeps what is used', async (t) => {
  const shorter = retarget(begin(8 * 3600, '10:00', business), target(4 * 3600, business), at('12:00'), business)
  t.same([shorter.dueAt, shorter.usedS], [at('14:00'), 7200])
  const longer = retarget(begin(3600, '10:00', business), target(8 * 3600, business), at('10:30'), business)
  t.same([longer.dueAt, longer.usedS], [at('+1 10:00'), 1800])
})

test('a target that is used up already: breached at the change, due in the past, and only later levels are armed', async (t) => {
  const clock = retarget(begin(8 * 3600, '10:00'), target(3600), at('12:00'), always)
  t.match(clock, { state: 'breached', breachedAt: at('12:00'), dueAt: at('11:00'), nextLevel: null, levels: [] })
  const soon = retarget(begin(8 * 3600, '10:00'), target(3600), at('11:10'), always)
  t.match(soon, { breachedAt: at('11:10'), dueAt: at('11:00'), nextLevel: '+15m', nextAt: at('11:15') })
  t.match(fulfil(soon, at('11:20'), always), { state: 'met_late', usedS: 4800, breachedAt: at('11:10') })
})

test('a level that fired is not armed again, and one at the moment of the change does not fire', async (t) => {
  const half = fire(begin(7200, '10:00'), at('11:00'), always)
  t.same(half.levels, ['50%'])
  const again = retarget(half.clock, target(4 * 3600), at('11:00'), always)
  t.same(again.levels, ['75%', '90%', '100%', '+15m', '+60m'])
  const exact = retarget(begin(7200, '10:00'), target(4 * 3600), at('12:00'), always)
  t.same(exact.levels, ['75%', '90%', '100%', '+15m', '+60m'], '50 % of four hours is this very moment')
})

test('levels are business time; however late we look, each fires once, in its order', async (t) => {
  const late = fire(begin(4 * 3600, '15:00', business), at('+9 12:00'), business)
  t.same(late.levels, ['50%', '75%', '90%', '100%', '+15m', '+60m'])
  t.match(late.clock, { state: 'breached', breachedAt: at('+1 11:00'), nextLevel: null })
  t.same(fire(late.clock, at('+10 12:00'), business).levels, [])
})

test('a message that failed after all makes the clock count as if it had never been', async (t) => {
  const clock = unfulfil(fulfil(begin(1800, '10:00'), at('10:10'), always, 'm'), always)
  t.match(clock, { state: 'running', dueAt: at('10:30'), endedAt: null, fulfilledBy: null })
  t.same(fire(clock, at('10:31'), always).clock.breachedAt, at('10:30'))
})

const acts = fc.array(
  fc.record({
    at: fc.integer({ min: 0, max: 6 * 86_400 }),
    do: fc.constantFrom('pause', 'resume', 'target', 'fire'),
    seconds: fc.integer({ min: 60, max: 20 * 3600 }),
  }),
  { maxLength: 12 },
)

test('whatever happens: used time is what ran, nothing fires twice, and late stays late', async (t) => {
  fc.assert(
    fc.property(acts, fc.boolean(), fc.integer({ min: 60, max: 20 * 3600 }), (list, inOffice, seconds) => {
      const calendar = inOffice ? business : always
      const start = at('08:00')
      let clock = begin(seconds, '08:00', calendar)
      let [naive, since, running] = [0, start, true]
      const fired: string[] = []
      let breached: Date | null = null
      for (const act of [...list].sort((a, b) => a.at - b.at)) {
        const now = new Date(start.getTime() + act.at * 1000)
        const woken = fire(clock, now, calendar)
        clock = woken.clock
        fired.push(...woken.levels)
        if (act.do === 'pause') clock = pause(clock, now, calendar)
        if (act.do === 'resume') clock = resume(clock, now, calendar)
        if (act.do === 'target') clock = retarget(clock, target(act.seconds, calendar), now, calendar)
        if (running) naive += calendar.between(since, now)
        ;[since, running] = [now, act.do === 'pause' ? false : act.do === 'resume' ? true : running]
        if (Math.abs(usedAt(clock, now, calendar) - naive) > 0.001) return false
        if (breached !== null && clock.breachedAt?.getTime() !== breached.getTime()) return false
        breached = clock.breachedAt
        if (clock.runningSince === null && clock.nextAt !== null) return false
        if (clock.state === 'running' && clock.dueAt !== null && calendar.between(now, clock.dueAt) > clock.targetS)
          return false
      }
      const end = new Date(start.getTime() + 7 * 86_400_000)
      const met = fulfil(clock, end, calendar)
      const inTime = met.usedS <= met.targetS + 0.001
      return (
        new Set(fired).size === fired.length &&
        (met.state === 'met') === inTime &&
        (met.breachedAt === null) === inTime &&
        !isOpen(met) &&
        cancel(met, end, calendar, 'x') === met
      )
    }),
    { numRuns: 1000 },
  )
  t.pass('1000 random lives of a clock')
})
