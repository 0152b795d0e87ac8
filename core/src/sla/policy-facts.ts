import type { ConversationFacts } from './clock-store.js'

/** Facts of sla.json and escalation.json, by the published fact schema (routing/fact-schema.ts). */
export function policyFacts(
  facts: ConversationFacts,
  channel: string | null,
  kindOf: (channel: string) => string,
  now: number,
): Readonly<Record<string, unknown>> {
  return {
    now: new Date(now).toISOString(),
    contact: {
      id: facts.contact,
      tier: facts.tier,
      language: facts.contactLanguage,
      attributes: facts.attributes,
    },
    conversation: {
      id: facts.id,
      status: facts.status,
      priority: facts.priority,
      queue: facts.queue,
      tags: facts.tags,
      language: facts.language,
      assignee: facts.assignee,
      slaPolicy: facts.slaPolicy,
    },
    channel: { id: channel ?? '', kind: channel === null ? 'messaging' : kindOf(channel) },
  }
}
