import { test } from 'tap'
import { loadConfig } from '../../src/config/load.js'
import { redact } from '../../src/config/redact.js'
import { formatProblems } from '../../src/config/report.js'
import { suggest } from '../../src/suggest.js'

function report(text: string, env: Record<string, string> = {}): string {
  const result = loadConfig({ file: 'config/throughline.yaml', text, env, cwd: '/srv' })
  return formatProblems(result.problems, { cwd: '/srv', readSource: () => text })
}

test('the report shows place, path, code, message, code frame and remedy', (t) => {
  const text = [
    'version: 1',
    'channels:',
    '  line-jp:',
    '    use: "@acme/throughline-line"',
    '    config: { token: "${LINE_TOKEN}" }',
    '    onFailrue: retry',
  ].join('\n')
  t.equal(
    report(text),
    [
      'config/throughline.yaml:5:22  channels.line-jp.config.token  TL_CONFIG_ENV_MISSING',
      '  environment variable LINE_TOKEN is not set',
      '   5 |     config: { token: "${LINE_TOKEN}" }',
      '     |                      ^',
      '  Set LINE_TOKEN, or give it a default: ${LINE_TOKEN:-…}.',
      '',
      'config/throughline.yaml:6:5  channels.line-jp.onFailrue  TL_CONFIG_KEY_UNKNOWN',
      '  unknown key "onFailrue", did you mean "onFailure"?',
      '   6 |     onFailrue: retry',
      '     |     ^',
      '  Write "onFailure", or remove the key.',
    ].join('\n'),
  )
  t.end()
})

test('a secret beside a fault is covered in the code frame, a variable is not', (t) => {
  const text =
    'version: 1\nchannels: { x1: { use: a, knd: b, config: { appSecret: hunter2, api_key: "k1", token: "${T}" } } }'
  const shown = report(text, { T: 'sesame' })
  t.notMatch(shown, /hunter2|k1|sesame/)
  t.match(shown, /\$\{T\}/)
  t.end()
})

test('a long line is cut around the place', (t) => {
  const text = `version: 1\nskills: [${'aaaaaaaa, '.repeat(30).replaceAll(/aaaaaaaa/g, () => 'a')}WRONG]\n`
  const frame = report(text).split('\n')
  const line = frame.find((part) => part.includes('WRONG'))
  t.ok((line?.length ?? 999) < 130)
  t.end()
})

test('redaction covers the longest secret first and leaves the rest', (t) => {
  const secrets = new Set(['sesame', 'sesame-open', ''])
  t.equal(redact('x sesame-open y sesame z', secrets), 'x [redacted] y [redacted] z')
  t.equal(redact('nothing here', secrets), 'nothing here')
  t.end()
})

test('suggestions are near or not made at all', (t) => {
  const known = ['channels', 'calendars', 'queues', 'server']
  t.equal(suggest('chanels', known), 'channels')
  t.equal(suggest('sevrer', known), 'server')
  t.equal(suggest('Queues', known), 'queues')
  t.equal(suggest('zebra', known), null)
  t.equal(suggest('x'.repeat(10_000), known), null)
  t.end()
})
