import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'tap'
import { repository } from './support/repository.js'
import { repositoryFiles } from './support/source-files.js'

const read = (path: string): string => readFileSync(join(repository, path), 'utf8')
const pages = repositoryFiles().filter((path) => path.endsWith('.md'))
const architecture = read('docs/architecture.md')

test('every path the architecture page names is there', async (t) => {
  const paths = [...architecture.matchAll(/`((?:core|plugin-sdk|plugins|migrations|test|docs|config)\/[\w./-]+)`/g)]
  t.ok(paths.length > 60, `${paths.length} paths`)
  const gone = paths
    .map(([, path = '']) => path)
    .filter((path) => !existsSync(join(repository, path)) && !existsSync(join(repository, 'core/src', path)))
  t.same(gone, [])
})

test('a function named in a row of the architecture page is in the file of that row', async (t) => {
  let checked = 0
  for (const row of architecture.split('\n').filter((line) => line.startsWith('|'))) {
    const files = [...row.matchAll(/`([\w./-]+\.ts)`/g)].map(([, path = '']) => path)
    const names = [...row.matchAll(/`([A-Za-z]\w*)\(\)`/g)].map(([, name = '']) => name)
    const there = files.map((path) => (existsSync(join(repository, path)) ? read(path) : '')).join('\n')
    for (const name of names) {
      checked += 1
      // Declared here, not merely called: a function, a method, a field that holds one.
      const declared = new RegExp(
        `(function ${name}|^\\s+(async )?${name}|const ${name}|readonly ${name})\\b.*[(<:=]`,
        'm',
      )
      t.match(there, declared, `${name} in ${files.join(', ')}`)
    }
  }
  t.ok(checked > 40, `${checked} names`)
})

test('the architecture page knows every table and who writes it, and no other', async (t) => {
  const migrations = repositoryFiles('migrations/src').filter((path) => /\d{4}_.*\.ts$/.test(path))
  const tables = migrations.flatMap((path) =>
    [...read(path).matchAll(/^create table (\w+)/gm)].map(([, name = '']) => name),
  )
  const [, section = ''] = architecture.split('## Tables, and who writes them')
  const rows = (section.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| `'))
  const cells = (text = ''): string[] => [...text.matchAll(/`([\w/.-]+)`/g)].map(([, name = '']) => name)
  t.same(rows.flatMap((row) => cells(row.split('|')[1])).sort(), [...new Set(tables)].sort())
  const stores = repositoryFiles('core/src').filter((path) => path.endsWith('.ts'))
  for (const row of rows) {
    const [, names, , writers] = row.split('|')
    const write = new RegExp(
      `(insert into|update|delete from) (${cells(names).join('|')})\\b|(insertInto|updateTable|deleteFrom)\\('(${cells(names).join('|')})'`,
    )
    const found = stores.filter((path) => write.test(read(path))).map((path) => path.replace('core/src/', ''))
    t.same(cells(writers).sort(), found.sort(), cells(names).join(', '))
  }
})

test('the architecture page knows every folder of the core', async (t) => {
  const folders = readdirSync(join(repository, 'core/src'), { withFileTypes: true }).filter((one) => one.isDirectory())
  const [, section = ''] = architecture.split('## The house')
  const named = [...(section.split('\n## ')[0] ?? '').matchAll(/^\| `([\w-]+)`/gm)].map(([, name]) => name)
  t.same(named.sort(), folders.map((one) => one.name).sort())
})

test('links between pages lead somewhere', async (t) => {
  for (const page of pages) {
    const text = read(page).replace(/```[\s\S]*?```/g, '')
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^(https?:|mailto:|#)/.test(target)) continue
      t.ok(existsSync(join(repository, dirname(page), target.split('#')[0] ?? '')), `${page}: ${target}`)
    }
  }
})

test('the npm scripts and commands that the first pages name exist', async (t) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const table = read('core/src/cli/table.ts')
  for (const page of ['README.md', 'CONTRIBUTING.md', ...pages.filter((path) => path.startsWith('docs/guides/'))]) {
    const text = read(page)
    for (const [, name = ''] of text.matchAll(/npm run ([\w:]+)/g)) t.ok(scripts[name], `${page}: npm run ${name}`)
    for (const [, name = '', action] of text.matchAll(/(?:npx |`)throughline ([a-z]+)(?: ([a-z]+))?/g)) {
      t.match(table, new RegExp(`^    ${name}: \\{`, 'm'), `${page}: throughline ${name}`)
      const [, actions] = /^ {2}actions: \[(.*)\]/m.exec(read(`core/src/cli/commands/${name}.ts`)) ?? []
      if (actions !== undefined) t.ok(actions.includes(`'${action}'`), `${page}: throughline ${name} ${action}`)
    }
  }
})

test('the page about the agents’ API lists every command of agent.v1, and no other', async (t) => {
  const sources = repositoryFiles('core/src/agents/commands').map(read).join('\n')
  const there = [...sources.matchAll(/type: '([\w.]+)',\s+scope:/g)].map(([, type]) => type)
  const [, section = ''] = read('docs/guides/agent-api.md').split(/^\| group/m)
  const named = [...(section.split('\n\n')[0] ?? '').matchAll(/`([\w.]+)`/g)].map(([, type]) => type)
  t.same(named.sort(), there.sort())
})
