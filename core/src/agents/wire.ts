import type { StoredEvent } from '../events/contract.js'

/** A logged event with its JSON, made once for all sockets of the node. */
export interface Wire {
  readonly event: StoredEvent
  /** The whole frame for a session whose last frame was at `prev`; made again only where sessions differ in it. */
  frame(prev: number): Buffer
}

/** The part of an event that is the same for every session. */
export function wireOf(event: StoredEvent): Wire {
  const body = {
    ts: event.at,
    d: {
      ...event.data,
      conversation: event.conversation,
      contact: event.contact,
      actor: event.actor,
      causeId: event.cause,
    },
  }
  const head = `{"t":${JSON.stringify(event.type)},"position":${event.position},"prev":`
  const tail = `,${JSON.stringify(body).slice(1, -1)}}`
  let made: Buffer | undefined
  let madeFor = -1
  return {
    event,
    frame(prev) {
      if (made === undefined || madeFor !== prev) made = Buffer.from(head + String(prev) + tail)
      madeFor = prev
      return made
    },
  }
}
