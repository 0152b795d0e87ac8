import type { ConfigProblem } from '../../config/contract.js'
import type { RuleFileKind } from '../contract.js'
import type { LoadedRuleFile, RefusedRuleFile } from './rule-file.js'
import { digestOf, refused, textOf } from './rule-text.js'
import type { RuleVersions } from './version-store.js'

/** Where the rules in force come from: the file, the last version that was good, or nowhere (the built-in floor). */
export type RuleSource = 'file' | 'last_good' | 'built_in'

export interface RuleFileStatus {
  readonly file: RuleFileKind
  readonly path: string
  readonly source: RuleSource
  readonly version: string | null
  readonly digest: string | null
  /** Since when, in milliseconds. */
  readonly since: number
  /** Findings about the file as it is on disk; errors mean that it is not live. */
  readonly problems: readonly ConfigProblem[]
  /** The version that was taken back last, and why. */
  readonly rolledBack: { readonly version: string; readonly at: number; readonly reason: string } | null
}

export type RuleNews =
  | { readonly type: 'rules.live'; readonly file: RuleFileKind; readonly version: string; readonly digest: string }
  | {
      readonly type: 'rules.refused'
      readonly file: RuleFileKind
      /** What goes on instead; null: the built-in floor. */
      readonly inForce: string | null
      readonly problems: readonly ConfigProblem[]
    }
  | {
      readonly type: 'rules.rolledBack'
      readonly file: RuleFileKind
      readonly version: string
      readonly inForce: string | null
      readonly reason: string
    }

export interface LiveFileDeps {
  readonly kind: RuleFileKind
  readonly path: string
  readonly read: (text: string) => LoadedRuleFile | RefusedRuleFile
  /** null: nothing is remembered (commands, tests). */
  readonly versions: RuleVersions | null
  readonly news: (news: RuleNews) => void
  readonly warn: (fields: Readonly<Record<string, unknown>>, message: string) => void
  readonly now: () => number
}

const FAILURES = 3
const FAILURES_WITHIN_MS = 60_000

type Live = LoadedRuleFile & { readonly text: string }

/**
 * One rule file as the engine runs it. A text that is refused changes nothing; a version that fails three times in a minute
 * is taken back for the one before it. Reads happen one after the other.
 */
export class LiveFile {
  readonly #deps: LiveFileDeps
  #live: Live | null = null
  #source: RuleSource = 'built_in'
  #since: number
  /** What there is to go back to. */
  #earlier: Live | null = null
  /** Digest of the text looked at last; null: no file. */
  #seen: string | null | undefined
  #problems: readonly ConfigProblem[] = []
  #rolledBack: RuleFileStatus['rolledBack'] = null
  readonly #withdrawn = new Set<string>()
  #failures: number[] = []
  #turn: Promise<unknown> = Promise.resolve()

  constructor(deps: LiveFileDeps) {
    this.#deps = deps
    this.#since = deps.now()
  }

  get live(): LoadedRuleFile | null {
    return this.#live
  }

  status(): RuleFileStatus {
    const { kind, path } = this.#deps
    return Object.freeze({
      file: kind,
      path,
      source: this.#source,
      version: this.#live?.version ?? null,
      digest: this.#live?.digest ?? null,
      since: this.#since,
      problems: this.#problems,
      rolledBack: this.#rolledBack,
    })
  }

  /** Reads the file; one that has not changed since is only read again with `anew` (a plugin has changed). Never throws. */
  look(anew = false): Promise<readonly ConfigProblem[]> {
    const next = this.#turn.then(() => this.#look(anew))
    this.#turn = next.catch(() => undefined)
    return next
  }

  /** A rule of this version failed while running. */
  failed(version: string): void {
    const live = this.#live
    // Something failed in a version that is not live any more: nothing to take back.
    if (live === null || live.version !== version) return
    const now = this.#deps.now()
    this.#failures = [...this.#failures.filter((at) => now - at < FAILURES_WITHIN_MS), now]
    if (this.#failures.length >= FAILURES && this.#earlier !== null) this.#rollBack(live, this.#earlier, now)
  }

  async #look(anew: boolean): Promise<readonly ConfigProblem[]> {
    const { path, kind, news } = this.#deps
    const text = await textOf(path)
    const digest = typeof text === 'string' ? digestOf(text) : null
    if (!anew && digest === this.#seen && typeof text === 'string') return this.#problems
    this.#seen = digest
    if (text === null) {
      this.#problems = []
      if (this.#live !== null && !anew)
        this.#deps.warn({ file: kind }, 'the rule file is gone, the built-in rules go on')
      this.#take(null, 'built_in')
      return []
    }
    const loaded = typeof text === 'string' ? await this.#judge(text, digest ?? '') : text
    this.#problems = loaded.problems
    if (loaded.ok) await this.#goLive({ ...loaded, text: text as string })
    else {
      if (this.#live === null) await this.#fallBack()
      news({
        type: 'rules.refused',
        file: kind,
        inForce: this.#live?.version ?? null,
        problems: loaded.problems.filter((problem) => problem.severity === 'error'),
      })
    }
    return this.#problems
  }

  async #judge(text: string, digest: string): Promise<LoadedRuleFile | RefusedRuleFile> {
    const { kind, path, versions, read } = this.#deps
    const reason = this.#withdrawn.has(digest)
      ? 'it failed three times in a minute'
      : await this.#remembered(() => versions?.withdrawn(kind, digest), null)
    if (reason === null || reason === undefined) return read(text)
    return refused(
      path,
      'TL_RULES_WITHDRAWN',
      `this version was taken back while running: ${reason}`,
      'Correct the rule that failed and change "$version".',
    )
  }

  async #goLive(next: Live): Promise<void> {
    const { kind, versions, news } = this.#deps
    const before = this.#live
    if (before !== null && before.digest !== next.digest) {
      this.#earlier = before
      if (before.version === next.version)
        this.#problems = [...this.#problems, sameVersion(this.#deps.path, next.version)]
    }
    this.#take(next, 'file')
    await this.#remembered(() => versions?.wentLive(kind, next), undefined)
    if (before === null) this.#earlier = await this.#good()
    else if (before.digest !== next.digest) {
      news({ type: 'rules.live', file: kind, version: next.version, digest: next.digest })
    }
  }

  #take(next: Live | null, source: RuleSource): void {
    if (this.#live?.digest !== next?.digest || this.#source !== source) this.#since = this.#deps.now()
    this.#live = next
    this.#source = source
    this.#failures = []
  }

  /** At the start with a broken file: the version that was good last. */
  async #fallBack(): Promise<void> {
    const found = await this.#good()
    if (found === null) return
    this.#take(found, 'last_good')
    this.#earlier = await this.#good()
  }

  /** The latest remembered version that still passes every check, other than the one in force. */
  async #good(): Promise<Live | null> {
    const { kind, versions, read } = this.#deps
    for (const { digest, text } of await this.#remembered(() => versions?.good(kind), [])) {
      if (digest === this.#live?.digest || this.#withdrawn.has(digest)) continue
      const loaded = read(text)
      if (loaded.ok) return { ...loaded, text }
    }
    return null
  }

  #rollBack(from: Live, to: Live, at: number): void {
    const { kind, path, versions, news } = this.#deps
    const reason = `rules of it failed ${FAILURES} times within a minute`
    this.#withdrawn.add(from.digest)
    this.#rolledBack = { version: from.version, at, reason }
    this.#problems = refused(
      path,
      'TL_RULES_WITHDRAWN',
      `version ${from.version} was taken back: ${reason}`,
      'See the events rule.failed for the rule; correct it and change "$version".',
    ).problems
    this.#take(to, 'last_good')
    this.#earlier = null
    news({ type: 'rules.rolledBack', file: kind, version: from.version, inForce: to.version, reason })
    this.#turn = this.#turn
      .then(async () => {
        await this.#remembered(() => versions?.withdraw(kind, from.digest, reason), undefined)
        if (this.#live?.digest === to.digest) this.#earlier = await this.#good()
      })
      .catch(() => undefined)
  }

  /** The rules go live, and go back, with or without the database: what it cannot remember is only not remembered. */
  async #remembered<T>(ask: () => Promise<T> | undefined, otherwise: T): Promise<T> {
    try {
      return (await ask()) ?? otherwise
    } catch (error) {
      this.#deps.warn(
        { file: this.#deps.kind, code: (error as { code?: string }).code },
        'the versions of the rule file could not be read or kept; the next change tries again',
      )
      return otherwise
    }
  }
}

function sameVersion(file: string, version: string): ConfigProblem {
  return Object.freeze({
    code: 'TL_RULES_INVALID',
    severity: 'warning',
    position: { file, line: 1, column: 1 },
    path: '$version',
    message: `the file has changed, its "$version" is still ${version}: decisions cannot be told apart`,
    remedy: 'Change "$version" with every edit.',
    instance: null,
  })
}
