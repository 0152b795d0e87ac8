/** What lies on the desk of the agent at the terminal: conversations by number, as offers and as the agent's own. */
export interface Desk {
  /** The conversation's number on this desk; it keeps it as long as the terminal runs. */
  numberOf(conversation: string): number
  offered(offer: Offer): void
  /** The offer of this number, or without a number the oldest; taken off the desk. */
  takeOffer(number: number | null): Offer | undefined
  /** An offer somebody else took, or that ran out. Answers its number, null when it was not on the desk. */
  offerGone(id: string): number | null
  /** The conversation is the agent's, and the one that lines are sent to. */
  open(conversation: string): void
  /** The agent's own conversation of this number. */
  own(number: number): string | undefined
  /** Done with: the one that lines are sent to from now on, if there is another. */
  done(conversation: string): string | null
  readonly current: string | null
}

export interface Offer {
  readonly id: string
  readonly conversation: string
}

export function createDesk(): Desk {
  const numbers = new Map<string, number>()
  const offers: Offer[] = []
  const mine = new Set<string>()
  let current: string | null = null
  const numberOf = (conversation: string): number => {
    const number = numbers.get(conversation) ?? numbers.size + 1
    numbers.set(conversation, number)
    return number
  }
  return Object.freeze({
    numberOf,
    offered: (offer) => void offers.push(offer),
    takeOffer(number) {
      const at = number === null ? 0 : offers.findIndex(({ conversation }) => numberOf(conversation) === number)
      return at < 0 ? undefined : offers.splice(at, 1)[0]
    },
    offerGone(id) {
      const at = offers.findIndex((offer) => offer.id === id)
      const [gone] = at < 0 ? [] : offers.splice(at, 1)
      return gone === undefined ? null : numberOf(gone.conversation)
    },
    open(conversation) {
      mine.add(conversation)
      current = conversation
    },
    own: (number) => [...mine].find((conversation) => numberOf(conversation) === number),
    done(conversation) {
      mine.delete(conversation)
      if (current === conversation) current = [...mine].at(-1) ?? null
      return current
    },
    get current() {
      return current
    },
  } satisfies Desk)
}
