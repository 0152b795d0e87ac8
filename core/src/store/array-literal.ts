/**
 * A PostgreSQL array literal of plain values; null when there is something in it that the driver must encode. The rows of a
 * batch travel as one array a column, so this is made a dozen times for every message.
 */
export function arrayLiteral(values: readonly unknown[]): string | null {
  let text = '{'
  for (let i = 0; i < values.length; i++) {
    const element = elementOf(values[i])
    if (element === null) return null
    text += i === 0 ? element : `,${element}`
  }
  return `${text}}`
}

function elementOf(value: unknown): string | null {
  switch (typeof value) {
    case 'string':
      return textElement(value)
    case 'number':
    case 'bigint':
      return String(value)
    case 'boolean':
      return value ? 't' : 'f'
    case 'undefined':
      return 'NULL'
    case 'object':
      if (value === null) return 'NULL'
      if (Buffer.isBuffer(value)) return `"\\\\x${value.toString('hex')}"`
      return value instanceof Date ? dateElement(value) : null
    default:
      return null
  }
}

/** What JSON escapes and an array literal does not. */
const apart = /[^\u0020-\ud7ff\ue000-\uffff]/

/** Elements are mostly JSON, full of quotes: where both notations escape the same, JSON's is made natively. */
function textElement(text: string): string {
  if (!text.includes('"') && !text.includes('\\')) return `"${text}"`
  return apart.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : JSON.stringify(text)
}

/** Years of four digits only: others have a form of their own. */
function dateElement(date: Date): string | null {
  const year = date.getUTCFullYear()
  return year >= 1 && year <= 9999 ? `"${date.toISOString()}"` : null
}
