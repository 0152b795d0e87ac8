import { test } from 'tap'
import { failPoint, failPoints, readFailPoints } from '../../src/store/fail-point.js'

test('without the variable there is nothing to call', (t) => {
  t.equal(failPoint, null)
  t.equal(readFailPoints({}), null)
  t.equal(readFailPoints({ THROUGHLINE_FAIL_POINTS: '', NODE_ENV: 'test' }), null)
  t.end()
})

test('an engine that is not under test refuses the variable instead of looking at it', (t) => {
  for (const env of [{}, { NODE_ENV: 'production' }, { NODE_ENV: 'development' }]) {
    t.throws(() => readFailPoints({ ...env, THROUGHLINE_FAIL_POINTS: 'drain.claimed=crash' }), {
      code: 'TL_CONFIG_INVALID',
      message: /Remove it from the environment/,
    })
  }
  t.end()
})

test('each name takes each action, at its first or n-th time', (t) => {
  for (const name of Object.keys(failPoints)) {
    for (const action of ['crash', 'throw', 'pause:250@3']) {
      const plans = readFailPoints({ NODE_ENV: 'test', THROUGHLINE_FAIL_POINTS: `${name}=${action}` })
      t.match([...(plans ?? [])], [[name, { action: action.split(':')[0], at: action.endsWith('@3') ? 3 : 1 }]])
    }
  }
  for (const wrong of ['drain.claimed', 'drain.claimed=explode', 'no.such=crash', 'constructor=crash', 'x=pause:-1']) {
    t.throws(() => readFailPoints({ NODE_ENV: 'test', THROUGHLINE_FAIL_POINTS: wrong }), { code: 'TL_CONFIG_INVALID' })
  }
  t.end()
})
