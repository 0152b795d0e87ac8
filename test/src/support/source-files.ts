import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import ts from 'typescript'
import { repository } from './repository.js'

/** One import of a file, of whatever form. */
export interface Import {
  readonly specifier: string
  /** Erased by the compiler: `import type`, or a type taken by `import('…')`. */
  readonly typeOnly: boolean
  readonly line: number
}

/** What the layering rules look at in a file. Paths are relative to the repository, with forward slashes. */
export interface SourceFile {
  readonly path: string
  readonly lines: number
  readonly imports: readonly Import[]
  /** Lines that write SQL: a tagged `sql`, or a query builder's first call. */
  readonly sqlLines: readonly number[]
}

const skipped = new Set(['node_modules', 'dist', 'data', 'coverage', '.git', '.tap'])

/** Every file of the repository that is neither built nor installed. */
export function repositoryFiles(under = ''): readonly string[] {
  const found: string[] = []
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory() && !skipped.has(entry.name)) walk(join(folder, entry.name))
      else if (entry.isFile()) found.push(relative(repository, join(folder, entry.name)).split(sep).join('/'))
    }
  }
  walk(join(repository, under))
  return found.sort()
}

export function readSource(path: string): SourceFile {
  return parseSource(path, readFileSync(join(repository, path), 'utf8'))
}

const builders = new Set(['selectFrom', 'insertInto', 'updateTable', 'deleteFrom', 'replaceInto', 'mergeInto'])

export function parseSource(path: string, text: string): SourceFile {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const imports: Import[] = []
  const sqlLines: number[] = []
  const lineOf = (node: ts.Node): number => source.getLineAndCharacterOfPosition(node.getStart()).line + 1
  const add = (node: ts.Node, specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (specifier !== undefined && ts.isStringLiteralLike(specifier))
      imports.push({ specifier: specifier.text, typeOnly, line: lineOf(node) })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node, node.moduleSpecifier, isErased(node.importClause))
    else if (ts.isExportDeclaration(node)) add(node, node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node, node.argument.literal, true)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node, node.arguments[0], false)
    if (writesSql(node)) sqlLines.push(lineOf(node))
    ts.forEachChild(node, visit)
  }
  visit(source)
  return { path, lines: text.split('\n').length - 1, imports, sqlLines }
}

/** `import type …`, or braces in which every name is a type. A bare `import 'x'` runs x and is not erased. */
function isErased(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false
  if (clause.isTypeOnly) return true
  const { name, namedBindings } = clause
  if (name !== undefined || namedBindings === undefined || !ts.isNamedImports(namedBindings)) return false
  return namedBindings.elements.length > 0 && namedBindings.elements.every((element) => element.isTypeOnly)
}

function writesSql(node: ts.Node): boolean {
  if (ts.isTaggedTemplateExpression(node)) return ts.isIdentifier(node.tag) && node.tag.text === 'sql'
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return false
  const { expression, name } = node.expression
  return builders.has(name.text) || (ts.isIdentifier(expression) && expression.text === 'sql')
}
