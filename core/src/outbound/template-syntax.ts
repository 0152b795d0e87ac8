import Handlebars from 'handlebars'

/** Helpers a template may call; everything else is refused when the file is read. */
export const allowedHelpers: readonly string[] = Object.freeze([
  'if',
  'unless',
  'each',
  'with',
  'date',
  'upper',
  'lower',
  'default',
])

export interface TemplateFault {
  readonly line: number
  readonly column: number
  readonly message: string
  readonly remedy: string
}

/** Faults of a template without running it: bad syntax, partials, decorators, unknown helpers, ways to a prototype. */
export function templateFaults(source: string): readonly TemplateFault[] {
  let program: hbs.AST.Program
  try {
    program = Handlebars.parse(source)
  } catch (error) {
    return [syntaxFault(error)]
  }
  const finder = new FaultFinder()
  finder.accept(program)
  return finder.faults
}

function syntaxFault(error: unknown): TemplateFault {
  const message = error instanceof Error ? error.message : String(error)
  const line = /line (\d+)|- (\d+):\d+/.exec(message)
  return {
    line: Number(line?.[1] ?? line?.[2] ?? 1),
    column: 1,
    message: `the template cannot be read: ${message.split('\n').at(-1) ?? message}`,
    remedy: 'Close every {{#block}} with its {{/block}} and every {{ with }}.',
  }
}

const toPrototype = new Set(['__proto__', 'constructor', 'prototype', '__defineGetter__', '__lookupGetter__'])

class FaultFinder extends Handlebars.Visitor {
  readonly faults: TemplateFault[] = []

  override PartialStatement(partial: hbs.AST.PartialStatement): void {
    this.#add(partial, 'partials ({{> …}}) are not available', 'Write the text into the template itself.')
  }

  override PartialBlockStatement(partial: hbs.AST.PartialBlockStatement): void {
    this.#add(partial, 'partials ({{#> …}}) are not available', 'Write the text into the template itself.')
  }

  override Decorator(decorator: hbs.AST.Decorator): void {
    this.#add(decorator, 'decorators ({{* …}}) are not available', 'Remove the decorator.')
  }

  override DecoratorBlock(decorator: hbs.AST.DecoratorBlock): void {
    this.#add(decorator, 'decorators ({{#* …}}) are not available', 'Remove the decorator.')
  }

  override MustacheStatement(mustache: hbs.AST.MustacheStatement): void {
    if (mustache.params.length > 0 || mustache.hash !== undefined) this.#helper(mustache)
    super.MustacheStatement(mustache)
  }

  override BlockStatement(block: hbs.AST.BlockStatement): void {
    this.#helper(block)
    super.BlockStatement(block)
  }

  override SubExpression(expression: hbs.AST.SubExpression): void {
    this.#helper(expression)
    super.SubExpression(expression)
  }

  override PathExpression(path: hbs.AST.PathExpression): void {
    const bad = path.parts.find((part) => toPrototype.has(part))
    if (bad !== undefined) this.#add(path, `\`${bad}\` is not a value of the message`, 'Remove it.')
  }

  #helper(call: { readonly path: hbs.AST.Node; readonly loc: hbs.AST.SourceLocation }): void {
    const name = (call.path as hbs.AST.PathExpression).original
    if (allowedHelpers.includes(String(name))) return
    this.#add(
      call,
      `there is no helper \`${String(name)}\``,
      `Use one of ${allowedHelpers.join(', ')}; a value of the message stands alone: {{customer.name}}.`,
    )
  }

  #add(node: { readonly loc: hbs.AST.SourceLocation }, message: string, remedy: string): void {
    this.faults.push({ line: node.loc.start.line, column: node.loc.start.column + 1, message, remedy })
  }
}
