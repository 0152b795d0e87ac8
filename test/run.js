// Runs the built tests: one PostgreSQL with a migrated template for all of them, tap over the files, a summary.
//   node test/run.js                  every test but the browser's
//   node test/run.js <file|dir> ...   these only: built files, or the .ts sources they come from
//   node test/run.js --browser        the browser's tests
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const workspaces = [
  ...['plugin-sdk', 'migrations', 'core', 'test'],
  ...readdirSync(join(root, 'plugins')).map((name) => `plugins/${name}`),
]

process.exitCode = await main(process.argv.slice(2))

async function main(args) {
  const options = args.filter((arg) => arg.startsWith('--'))
  if (options.some((option) => option !== '--browser')) return refuse(`unknown option in: ${options.join(' ')}`)
  const named = args.filter((arg) => !arg.startsWith('--'))
  let files
  try {
    files = named.length > 0 ? named.flatMap(namedTests) : allTests(options.includes('--browser'))
  } catch (error) {
    return refuse(error.message)
  }
  if (files.length === 0) return refuse('no built tests found; run `npm run build` first')

  const running = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => running.abort(signal))
  let cluster
  try {
    cluster = await startDatabase()
  } catch (error) {
    return refuse(`the test database cannot be prepared: ${error.message}`)
  }
  try {
    return await runTap(files, cluster.url, running.signal)
  } finally {
    await cluster.stop()
  }
}

function refuse(reason) {
  console.error(`test/run.js: ${reason}`)
  return 2
}

function allTests(browser) {
  const all = workspaces.flatMap((name) =>
    name === 'test'
      ? ['dist/src', 'dist/browser'].flatMap((part) => testsUnder(join(root, name, part)))
      : testsUnder(join(root, name, 'dist/test')),
  )
  // They need Chromium and run apart, also where they stand beside their plugin.
  return all.filter((file) => file.split(/[\\/]/).includes('browser') === browser)
}

/** Built test files under a folder. One whose source is gone is a leftover of an earlier build and does not count. */
function testsUnder(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => relative(root, join(folder, name)))
    .filter((file) => existsSync(join(root, file.replace('/dist/', '/').replace(/js$/, 'ts'))))
    .sort()
}

function namedTests(name) {
  const path = relative(root, resolve(name))
  const workspace = workspaces.find((each) => path === each || path.startsWith(`${each}/`))
  const inside = workspace === undefined ? path : relative(workspace, path)
  const built =
    workspace === undefined || inside === '' || inside.startsWith('dist')
      ? path
      : join(workspace, 'dist', inside.replace(/\.ts$/, '.js'))
  if (path === workspace) return testsUnder(join(root, workspace, 'dist'))
  if (!existsSync(join(root, built))) throw new Error(`${built} does not exist; build first, or correct the name`)
  return statSync(join(root, built)).isDirectory() ? testsUnder(join(root, built)) : [built]
}

async function startDatabase() {
  const given = process.env.THROUGHLINE_TEST_PG
  if (given) return { url: given, stop: () => Promise.resolve() }
  const support = pathToFileURL(join(root, 'core/dist/test/support/cluster.js'))
  const { startTestCluster } = await import(support.href)
  return startTestCluster()
}

async function runTap(files, databaseUrl, signal) {
  const started = performance.now()
  const { bin } = JSON.parse(readFileSync(join(root, 'node_modules/tap/package.json'), 'utf8'))
  const cli = join(root, 'node_modules/tap', typeof bin === 'string' ? bin : bin.tap)
  const flags = ['--disable-coverage', '--allow-empty-coverage', '--reporter=tap', '--jobs=2', '--timeout=180']
  const tap = spawn(process.execPath, [cli, 'run', ...flags, ...files], {
    cwd: root,
    env: { ...process.env, THROUGHLINE_TEST_PG: databaseUrl },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  signal.addEventListener('abort', () => tap.kill(signal.reason))
  const exit = new Promise((settle) => {
    tap.once('error', (error) => settle(refuse(`tap does not start: ${error.message}`)))
    tap.once('close', (code) => settle(code ?? 1))
  })

  // One block a file: `# Subtest: <file>`, its lines indented, its result at the margin, diagnostics if it failed.
  let totals
  let block = []
  for await (const line of createInterface({ input: tap.stdout })) {
    totals = readTotals(line) ?? totals
    if (/^# (Subtest|Skip|Todo|\{ total)/i.test(line)) {
      report(block)
      block = []
    }
    block.push(line)
  }
  report(block)
  return conclude({ code: await exit, totals, count: files.length, signal, started })
}

/** tap's own count of assertions, the last line but one of its output. */
function readTotals(line) {
  const match = /^# \{ total: \d+, pass: (\d+)(.*)\}$/.exec(line)
  if (!match) return undefined
  const number = (name) => Number(new RegExp(`${name}: (\\d+)`).exec(match[2])?.[1] ?? 0)
  return { passed: Number(match[1]), failed: number('fail'), skipped: number('skip'), todo: number('todo') }
}

/** Prints a file's line, what it skipped and why, and its failures in full. */
function report(block) {
  for (const line of block) {
    const result = /^(not )?ok \d+ - (.*)$/.exec(line)
    if (result) console.log(`${result[1] ? 'FAIL' : 'ok  '} ${result[2]}`)
    else if (/^Bail out!/i.test(line)) console.log(line)
    else if (/^\s+ok .*# (SKIP|TODO)\b/i.test(line)) console.log(`     ${line.trim().replace(/^ok \d+ - /, '')}`)
  }
  for (let at = 0; at < block.length; at++) {
    if (!/^\s*not ok /.test(block[at])) continue
    console.log(block[at])
    const [indent] = /^\s*/.exec(block[at + 1] ?? '')
    if (block[at + 1] !== `${indent}---`) continue
    do console.log(block[++at])
    while (at + 1 < block.length && block[at] !== `${indent}...`)
  }
}

function conclude({ code, totals, count, signal, started }) {
  const { passed, failed, skipped, todo } = totals ?? { passed: 0, failed: 1, skipped: 0, todo: 0 }
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`\n${count} files in ${seconds} s, ${skipped} skipped, ${todo} to do`)
  if (signal.aborted) console.log(`interrupted by ${signal.reason}`)
  if (totals === undefined) console.log('tap ended without a count')
  // Some reasons to fail (a file without a test, a time limit) leave no failed assertion: they count as one.
  const failures = code !== 0 && failed === 0 ? 1 : failed
  console.log(`${passed} passed, ${failures} failed`)
  return signal.aborted ? 130 : failures > 0 && code === 0 ? 1 : code
}
