/** What holds where config/rules/continuity.json is absent, refused or leaves a case open. */
export const builtInContinuity = Object.freeze({
  $version: 'built-in.1',
  rules: [
    {
      id: 'still-open',
      when: { in: [{ var: 'candidate.status' }, ['open', 'pending', 'snoozed']] },
      then: { action: 'join' },
    },
    {
      id: 'resolved-lately',
      when: {
        and: [
          { '==': [{ var: 'candidate.status' }, 'resolved'] },
          { num_lt: [{ var: 'candidate.resolvedHoursAgo' }, 72] },
        ],
      },
      then: { action: 'join' },
    },
    { id: 'otherwise', when: true, then: { action: 'new' } },
  ],
  tests: [],
})
