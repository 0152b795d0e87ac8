import { test } from 'tap'
import { createContainer, token } from '../src/di.js'

test('services are built at once, in order, and stopped last in, first out, whatever fails', async (t) => {
  const container = createContainer()
  const log: string[] = []
  const A = token<{ a: number }>('a')
  const B = token<{ b: number }>('b')
  container.register(A, () => (log.push('a'), { a: 1 }), () => void log.push('stop a')) // prettier-ignore
  container.register(B, (it) => (log.push('b'), { b: it.get(A).a + 1 }), () => Promise.reject(new Error('stuck'))) // prettier-ignore
  t.same(log, ['a', 'b'])
  t.equal(container.get(B).b, 2)
  const failures = await container.stop()
  t.same(log, ['a', 'b', 'stop a'])
  t.same(
    failures.map((it) => it.message),
    ['b did not stop cleanly'],
  )
  t.same(await container.stop(), [], 'a second stop finds nothing to do')
})

test('a service used before its time and one registered twice are errors of ours, with its name', (t) => {
  const container = createContainer()
  const A = token<number>('the-service')
  t.throws(() => container.get(A), { message: /the-service is needed before/ })
  container.register(A, () => 1)
  t.throws(() => container.register(A, () => 2), { message: /the-service is registered twice/ })
  t.throws(() => createContainer().get(A), 'containers do not share')
  t.end()
})
