import { test } from 'tap'
import { grows, slopeOf } from '../faults/slope.js'

const points = (value: (i: number) => number) => Array.from({ length: 60 }, (_, i) => ({ at: i * 10, value: value(i) }))
/** Noise that is the same in every run. */
const noise = (i: number): number => ((i * 7919) % 101) / 101 - 0.5

test('a line is found with its slope', (t) => {
  const slope = slopeOf(points((i) => 5 + 2 * i))
  t.ok(Math.abs(slope.perSecond - 0.2) < 1e-9)
  t.equal(slope.seconds, 590)
  t.ok(grows(slope))
  t.end()
})

test('what leaks a third over the run grows, through noise as well', (t) => {
  t.ok(grows(slopeOf(points((i) => 100 + (i / 60) * 33 + 20 * noise(i)))))
  t.end()
})

test('slow saw teeth do not grow because the run ends on a high one, and hide no leak of a third', (t) => {
  const teeth = (i: number): number => 100 + 2 * ((i + 5) % 17)
  const slope = slopeOf(points(teeth))
  t.ok(slope.worth < 30, `60 points count as ${slope.worth.toFixed(0)}`)
  t.notOk(grows(slope))
  t.ok(grows(slopeOf(points((i) => teeth(i) + (i / 60) * 40))))
  t.end()
})

test('noise, saw teeth, a shrinking and a constant value do not grow', (t) => {
  t.notOk(grows(slopeOf(points((i) => 100 + 50 * noise(i)))))
  t.notOk(grows(slopeOf(points((i) => 100 + 10 * (i % 6)))))
  t.notOk(grows(slopeOf(points((i) => 100 - i))))
  t.notOk(grows(slopeOf(points(() => 7))))
  t.end()
})
