import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { generatedFiles } from '../../src/cli/commands/docs.js'
import { catalogue } from '../../src/errors-catalogue.js'
import { projectFolder } from '../config/fixtures.js'

test('the generated pages and the schema in the repository are up to date (npm run docs)', async (t) => {
  for (const [path, text] of await generatedFiles()) {
    t.equal(readFileSync(join(projectFolder, path), 'utf8'), text, path)
  }
})

test('every error code is on the reference page', async (t) => {
  const page = (await generatedFiles())[0]?.[1] ?? ''
  for (const code of Object.keys(catalogue)) t.match(page, `| \`${code}\` |`)
})
