import { el } from './dom.js'

const FIELDS = Object.freeze({
  name: { label: 'Name', type: 'text', autocomplete: 'name' },
  email: { label: 'E-mail', type: 'email', autocomplete: 'email' },
  phone: { label: 'Phone', type: 'tel', autocomplete: 'tel' },
})

/** Offers an anonymous visitor to say who they are: before the first message, once, never in the way of writing. */
export class AskForm {
  node
  #claim
  #done
  #asked = false

  /** @param {{claim: (claimed: object) => void, done: () => void}} act */
  constructor({ claim, done }) {
    this.#claim = claim
    this.#done = done
    this.node = el('form', {
      class: 'ask',
      hidden: true,
      'data-testid': 'chat-ask',
      onsubmit: (event) => {
        event.preventDefault()
        this.#submit()
      },
    })
  }

  draw(ask, empty) {
    // Not while somebody is typing into it: the field would vanish under their hands.
    if (!empty && !this.node.matches(':focus-within')) this.node.hidden = true
    const fields = ask.filter((name) => name in FIELDS)
    if (this.#asked || fields.length === 0 || !empty) return
    this.#asked = true
    this.node.hidden = false
    this.node.replaceChildren(
      el('p', {}, 'May we know who you are? You can also just start writing.'),
      ...fields.map((name) => {
        const { label, ...attributes } = FIELDS[name]
        return el('label', {}, el('span', {}, label), el('input', { name, maxlength: 254, ...attributes }))
      }),
      el('button', { type: 'submit' }, 'Save'),
    )
  }

  /** What stands in the form goes along with a message, saved or not. */
  take() {
    const claimed = {}
    if (this.node.hidden) return claimed
    for (const field of this.node.querySelectorAll('input')) {
      if (field.value.trim() !== '' && field.validity.valid) claimed[field.name] = field.value.trim()
    }
    if (Object.keys(claimed).length > 0) this.#claim(claimed)
    return claimed
  }

  #submit() {
    const { name } = this.take()
    this.node.replaceChildren(el('p', { role: 'status' }, name ? `Thank you, ${name}.` : 'Thank you.'))
    this.#done()
  }
}
