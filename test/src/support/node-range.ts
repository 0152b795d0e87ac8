/**
 * Whether a range of `engines.node` takes a version. Only what such ranges are made of: alternatives, comparators joined by
 * spaces, carets, tildes and x. Anything else answers false, so that it is looked at.
 */
export function takes(range: string, version: string): boolean {
  const wanted = numbers(version)
  return range.split('||').some((way) => {
    const comparators = way.trim().replace(/([<>=^~])\s+/g, '$1')
    return comparators === '' || comparators.split(/\s+/).every((one) => holds(one, wanted))
  })
}

type Version = readonly [number, number, number]

function holds(comparator: string, wanted: Version): boolean {
  const match = /^(>=|<=|>|<|\^|~|=)?v?(\d+)(?:\.(\d+|x|\*))?(?:\.(\d+|x|\*))?$/.exec(comparator)
  if (match === null) return comparator === '*' || comparator === 'x'
  const [, sign = '', ...parts] = match
  const given = parts.filter((part) => part !== undefined && /^\d+$/.test(part)).map(Number)
  const floor: Version = [given[0] ?? 0, given[1] ?? 0, given[2] ?? 0]
  const order = compare(wanted, floor)
  switch (sign) {
    case '>=':
      return order >= 0
    case '<=':
      return order <= 0 || given.every((part, i) => wanted[i] === part)
    case '>':
      return order > 0 && !(given.length < 3 && given.every((part, i) => wanted[i] === part))
    case '<':
      return order < 0
    case '^':
      return order >= 0 && wanted[0] === floor[0]
    case '~':
      return order >= 0 && wanted[0] === floor[0] && (given.length < 2 || wanted[1] === floor[1])
    default:
      return given.every((part, i) => wanted[i] === part)
  }
}

function compare(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2]
}

function numbers(version: string): Version {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  return [major, minor, patch]
}
