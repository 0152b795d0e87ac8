/** What is wrong with one event, in words for the people who send it. Never holds content. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
}
