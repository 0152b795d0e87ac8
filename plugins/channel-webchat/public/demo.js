/** The demo page: takes the channel from the surface's settings, opens the chat where there is room for it. */
const chat = document.querySelector('throughline-chat')

const settings = await fetch(new URL('./config.json', import.meta.url), { signal: AbortSignal.timeout(5000) })
  .then((response) => (response.ok ? response.json() : {}))
  .catch(() => ({}))
if (typeof settings.channel === 'string' && settings.channel !== chat.getAttribute('channel')) {
  chat.setAttribute('channel', settings.channel)
}
if (matchMedia('(min-width: 1000px)').matches) chat.setAttribute('open', '')

for (const button of document.querySelectorAll('[data-open-chat]')) {
  button.addEventListener('click', () => chat.show())
}
