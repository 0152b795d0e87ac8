import { isDeepStrictEqual } from 'node:util'

/** What an edit does to a rule file, rule by rule. */
export interface RuleFileDiff {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  /** The keys that differ. */
  readonly changed: readonly { readonly rule: string; readonly keys: readonly string[] }[]
  /** Rules both files have that stand in another order now. */
  readonly moved: readonly string[]
  /** Sections beside the rules that differ: tables, tiers. */
  readonly sections: readonly string[]
}

type Written = Readonly<Record<string, unknown>>

/** Both texts have passed the checks. */
export function diffRuleFiles(from: string, to: string): RuleFileDiff {
  const [a, b] = [from, to].map((text) => JSON.parse(text) as Written) as [Written, Written]
  const [before, after] = [a, b].map(rulesOf) as [ReadonlyMap<string, Written>, ReadonlyMap<string, Written>]
  const kept = [...after.keys()].filter((id) => before.has(id))
  return {
    added: [...after.keys()].filter((id) => !before.has(id)),
    removed: [...before.keys()].filter((id) => !after.has(id)),
    changed: kept.flatMap((rule) => {
      const keys = differing(before.get(rule) ?? {}, after.get(rule) ?? {}, ['id', 'description'])
      return keys.length === 0 ? [] : [{ rule, keys }]
    }),
    moved: outOfOrder(
      [...before.keys()].filter((id) => after.has(id)),
      kept,
    ),
    sections: differing(a, b, ['rules', 'tests', '$version', '$schema', 'description']),
  }
}

function rulesOf(file: Written): ReadonlyMap<string, Written> {
  const rules = (Array.isArray(file['rules']) ? file['rules'] : []) as readonly Written[]
  return new Map(rules.map((rule) => [String(rule['id']), rule]))
}

function differing(a: Written, b: Written, besides: readonly string[]): readonly string[] {
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...names].filter((name) => !besides.includes(name) && !isDeepStrictEqual(a[name], b[name])).sort()
}

/** Those that are not part of the longest run both orders share: what somebody took and put elsewhere. */
function outOfOrder(before: readonly string[], after: readonly string[]): readonly string[] {
  const place = new Map(before.map((id, index) => [id, index]))
  const order = after.map((id) => place.get(id) ?? 0)
  const best = order.map(() => ({ length: 1, from: -1 }))
  order.forEach((value, at) => {
    for (let i = 0; i < at; i++) {
      if (order[i]! < value && best[i]!.length + 1 > best[at]!.length) {
        best[at] = { length: best[i]!.length + 1, from: i }
      }
    }
  })
  let at = best.reduce((top, one, index) => (one.length > (best[top]?.length ?? 0) ? index : top), 0)
  const stayed = new Set<string>()
  while (at >= 0 && after[at] !== undefined) {
    stayed.add(after[at]!)
    at = best[at]!.from
  }
  return after.filter((id) => !stayed.has(id))
}
