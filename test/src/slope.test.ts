import { test } from 'tap'
import { grows, lows, slopeOf } from '../faults/slope.js'

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

test('of saw teeth the low points are judged: a leak below them is found, a higher tooth is not', (t) => {
  const teeth = (i: number): number => 100 + 30 * (i % 3) + (i > 30 ? 90 * (i % 3) : 0)
  t.ok(grows(slopeOf(points(teeth))))
  t.notOk(grows(slopeOf(lows(points(teeth), 30))))
  t.ok(
    grows(
      slopeOf(
        lows(
          points((i) => teeth(i) + i / 2),
          30,
        ),
      ),
    ),
  )
  t.equal(lows(points(teeth), 30).length, 20)
  t.end()
})

test('noise, saw teeth, a shrinking and a constant value do not grow', (t) => {
  t.notOk(grows(slopeOf(points((i) => 100 + 50 * noise(i)))))
  t.notOk(grows(slopeOf(points((i) => 100 + 10 * (i % 6)))))
  t.notOk(grows(slopeOf(points((i) => 100 - i))))
  t.notOk(grows(slopeOf(points(() => 7))))
  t.end()
})
