import type { ThreadMessage } from '@throughline/plugin-sdk'
import type { Browser, Page } from 'playwright-core'
import tap, { test, type Test } from 'tap'
import { launch, noBrowser, openPage } from '../support/browser.js'
import { siteSecret, siteToken } from '../support/calls.js'
import { webChatServer, type WebChatServer } from '../support/webchat-server.js'

const skip = noBrowser ?? false
// A browser starts for each test; on a busy machine that takes its time.
tap.setTimeout(300_000)
const hostile = [
  '<img src=x onerror=alert(1)>',
  '<script>alert(1)</script>',
  '[click](javascript:alert(1))',
  '[click](data:text/html,<script>alert(1)</script>)',
  '**<svg onload=alert(1)>**',
  '`</code><script>alert(1)</script>`',
  'https://x.test/"onmouseover="alert(1)',
  '"><iframe srcdoc="<script>alert(1)</script>">',
]

type Place = { server: WebChatServer; browser: Browser }
async function place(
  t: Test,
  settings: Record<string, unknown> = {},
  pages: Record<string, string> = {},
): Promise<Place> {
  const server = await webChatServer(settings, pages)
  const browser = await launch()
  t.teardown(async () => {
    await browser.close()
    await server.close()
  })
  return { server, browser }
}

const messages = (page: Page, direction: 'in' | 'out') =>
  page.locator(`[data-testid=chat-message][data-direction=${direction}]`)
const online = (page: Page) => page.locator('[data-testid=chat-status][data-state=online]').waitFor()
async function write(page: Page, text: string): Promise<void> {
  await page.getByTestId('chat-input').fill(text)
  await page.getByTestId('chat-send').click()
}
/** Waits for a condition on the server's side; the test's own time limit ends it. */
async function until<T>(page: Page, look: () => T | undefined | false): Promise<T> {
  for (;;) {
    const found = look()
    if (found !== undefined && found !== false) return found
    await page.waitForTimeout(20)
  }
}
const say = (server: WebChatServer, thread: string, text: string) =>
  server.say(thread, { parts: [{ type: 'text', text, format: 'markdown' }] })

test('a visitor writes, an agent answers, and both are there after a reload', { skip }, async (t) => {
  const { server, browser } = await place(t, { greeting: 'Welcome to **Lumen**' })
  const { page, troubles } = await openPage(browser, `${server.origin}/chat/`)
  await page.getByTestId('chat-greeting').getByText('Welcome to Lumen').waitFor()
  await write(page, 'Do you ship to Lisbon?')
  const thread = await until(page, () => server.threads()[0])
  await page.locator('[data-direction=in][data-state=sent]').waitFor()
  say(server, thread, 'Yes, in **two weeks**.')
  await messages(page, 'out').getByText('Yes, in two weeks.').waitFor()
  t.equal(await messages(page, 'out').locator('strong').textContent(), 'two weeks')
  t.match(await messages(page, 'out').textContent(), /^Ada/)
  await until(page, () => server.host.accepted.some((event) => event.type === 'receipt' && event.status === 'read'))

  await page.reload()
  await messages(page, 'out').getByText('Yes, in two weeks.').waitFor()
  t.equal(await messages(page, 'in').count(), 1)
  await online(page)
  say(server, thread, 'Anything else?')
  await messages(page, 'out').getByText('Anything else?').waitFor()
  t.equal(await messages(page, 'out').count(), 2)
  t.equal(new URL(page.url()).search, '')
  t.same(troubles, [])
})

test('an edit, a reaction and a deletion change the bubble that stands there, at once', { skip }, async (t) => {
  const { server, browser } = await place(t)
  const { page, troubles } = await openPage(browser, `${server.origin}/chat/`)
  await write(page, 'Which floor?')
  const thread = await until(page, () => server.threads()[0])
  const first = say(server, thread, 'The thrid floor')
  const second = say(server, thread, 'On the left')
  await messages(page, 'out').getByText('The thrid floor').waitFor()
  const again = (id: string, what: Partial<ThreadMessage>) => server.say(thread, { id, ...what })
  const parts = [{ type: 'text' as const, text: 'The third floor' }]
  again(first.id, { parts, edited: true })
  await messages(page, 'out').first().getByText('The third floor').waitFor()
  await messages(page, 'out').first().getByText('edited').waitFor()
  again(first.id, { parts, edited: true, reactions: [{ emoji: '👍', count: 2 }] })
  await messages(page, 'out').first().getByTestId('chat-reactions').getByText('👍 2').waitFor()
  again(first.id, { parts, edited: true })
  await page.getByTestId('chat-reactions').waitFor({ state: 'detached' })
  again(second.id, { parts: [], deleted: true })
  await messages(page, 'out').nth(1).getByText('This message was deleted.').waitFor()
  t.equal(await messages(page, 'out').count(), 2)
  t.equal(await messages(page, 'out').getByText('On the left').count(), 0)
  await page.reload()
  await messages(page, 'out').first().getByText('The third floor').waitFor()
  t.equal(await messages(page, 'out').count(), 2)
  t.same(troubles, [])
})

test('an answer lost on its way back leads to one message and one bubble', { skip }, async (t) => {
  const { server, browser } = await place(t)
  const { page } = await openPage(browser, `${server.origin}/chat/`)
  await online(page)
  server.behave('lose')
  await write(page, 'Only once, please')
  await until(page, () => server.posts.length >= 2)
  server.behave('normal')
  await page.locator('[data-direction=in][data-state=sent]').waitFor()
  t.equal(new Set(server.posts).size, 1, 'every try has the same client id')
  t.equal(server.host.accepted.filter((event) => event.type === 'message').length, 1)
  t.equal(await messages(page, 'in').count(), 1)
})

test(
  'while the engine is away messages fail visibly; afterwards nothing is missing and nothing doubled',
  { skip },
  async (t) => {
    const { server, browser } = await place(t)
    const { page, troubles } = await openPage(browser, `${server.origin}/chat/`)
    await write(page, 'first')
    const thread = await until(page, () => server.threads()[0])
    await page.locator('[data-direction=in][data-state=sent]').waitFor()
    server.behave('cut')
    await page.locator('[data-testid=chat-status][data-state=connecting]').waitFor()
    for (const text of ['a', 'b', 'c']) say(server, thread, text)
    await write(page, 'second')
    await page.getByTestId('chat-retry').waitFor()
    t.equal(await page.locator('[data-state=failed]').count(), 1)
    server.behave('normal')
    await page.getByTestId('chat-retry').click()
    await messages(page, 'out').getByText('c', { exact: true }).waitFor()
    await until(page, () => server.host.accepted.filter((event) => event.type === 'message').length === 2)
    await page.locator('[data-state=failed], [data-state=sending]').waitFor({ state: 'detached' })
    const texts = await page.locator('[data-testid=chat-message] .bubble').allTextContents()
    t.same(texts, ['first', 'a', 'b', 'c', 'second'])
    t.same(troubles, [])
  },
)

test('without a network a message waits, survives a reload, and leaves once', { skip }, async (t) => {
  const { server, browser } = await place(t)
  const { page } = await openPage(browser, `${server.origin}/chat/`)
  await write(page, 'before')
  await page.locator('[data-direction=in][data-state=sent]').waitFor()
  await page.context().setOffline(true)
  await page.locator('[data-testid=chat-status][data-state=offline]').waitFor()
  await write(page, 'from the tunnel')
  await page.locator('[data-state=sending]').getByText('from the tunnel').waitFor()
  t.match(await page.getByTestId('chat-status').textContent(), /offline/)
  await page.context().setOffline(false)
  await page.reload()
  await page.locator('[data-state=sent]').getByText('from the tunnel').waitFor()
  await online(page)
  t.equal(server.host.accepted.filter((event) => event.type === 'message').length, 2)
  t.equal(await messages(page, 'in').count(), 2)
})

test('whatever agents and customers write stays text', { skip }, async (t) => {
  const { server, browser } = await place(t, { greeting: hostile.join(' '), title: '<b>Shop</b>' })
  const { page, troubles } = await openPage(browser, `${server.origin}/chat/`)
  for (const [index, text] of hostile.entries()) {
    await write(page, text)
    await until(page, () => server.host.accepted.filter((event) => event.type === 'message').length === index + 1)
  }
  const thread = server.threads()[0] ?? ''
  for (const text of hostile) {
    server.say(thread, {
      author: { kind: 'agent', name: text },
      parts: [
        { type: 'text', text, format: 'markdown' },
        { type: 'choices', text, choices: [{ label: text }, { label: text, url: 'javascript:alert(1)' }] },
        { type: 'card', title: text, text, image: { url: 'javascript:alert(1)' } },
        { type: 'file', media: { url: 'javascript:alert(1)', name: text } },
        { type: 'location', lat: 1, lon: 2, name: text },
      ],
    })
  }
  say(server, thread, 'the end')
  await messages(page, 'out').getByText('the end').waitFor()
  const found = await page.locator('throughline-chat').evaluate((chat) => {
    const root = (chat as unknown as { shadowRoot: { querySelectorAll(s: string): Iterable<any> } }).shadowRoot
    const links = [...root.querySelectorAll('a')].map((link) => link.protocol)
    const handlers = [...root.querySelectorAll('*')].flatMap((node) =>
      [...node.attributes].filter((attribute: any) => attribute.name.startsWith('on')),
    )
    return {
      links: [...new Set(links)],
      handlers: handlers.length,
      foreign: [...root.querySelectorAll('script, iframe, [src=x]')].length,
    }
  })
  t.same(found, { links: ['https:'], handlers: 0, foreign: 0 })
  t.equal(await messages(page, 'in').first().locator('.bubble').textContent(), hostile[0])
  t.same(troubles, [], 'nothing ran, nothing was refused by the content policy')
})

test('a choice is an answer, and can be taken once', { skip }, async (t) => {
  const { server, browser } = await place(t)
  const { page } = await openPage(browser, `${server.origin}/chat/`)
  await write(page, 'Hi')
  const thread = await until(page, () => server.threads()[0])
  server.say(thread, {
    parts: [{ type: 'choices', text: 'Which?', choices: [{ label: 'Brass', value: 'b' }, { label: 'Black' }] }],
  })
  await page.getByTestId('chat-choice').first().click()
  const action = await until(page, () => server.host.accepted.find((event) => event.type === 'action'))
  t.match(action, { value: 'b', label: 'Brass' })
  await messages(page, 'in').getByText('Brass').waitFor()
  t.equal(await page.getByTestId('chat-choice').first().isDisabled(), true)
  t.equal(await messages(page, 'in').count(), 2)
})

test('who waits sees the place in line and about how long it takes, until an agent answers', { skip }, async (t) => {
  const { server, browser } = await place(t)
  const { page } = await openPage(browser, `${server.origin}/chat/`)
  await write(page, 'Hi')
  const thread = await until(page, () => server.threads()[0])
  await online(page)
  server.host.threads.notify(thread, { queue: { position: 3, estimate: { p50S: 100, p80S: 290 } } })
  await page.getByTestId('chat-wait').getByText('You are number 3 in line. About 2 to 5 minutes.').waitFor()
  server.host.threads.notify(thread, { queue: { position: 1, estimate: null } })
  await page.getByTestId('chat-wait').getByText('You are next.').waitFor()
  server.host.threads.notify(thread, { queue: null })
  await page.getByTestId('chat-wait').waitFor({ state: 'hidden' })
  t.pass('told, told anew, and over')
})

test('an agent who types shows, and so does the visitor to the agent', { skip }, async (t) => {
  const { server, browser } = await place(t)
  const { page } = await openPage(browser, `${server.origin}/chat/`)
  await write(page, 'Hi')
  const thread = await until(page, () => server.threads()[0])
  await online(page)
  server.host.threads.notify(thread, { typing: true })
  await page.getByTestId('chat-typing').waitFor()
  say(server, thread, 'Hello')
  await page.getByTestId('chat-typing').waitFor({ state: 'hidden' })
  await page.getByTestId('chat-input').pressSequentially('hm')
  await until(page, () => server.host.accepted.some((event) => event.type === 'typing'))
  t.equal(await messages(page, 'out').count(), 1)
})

test(
  'the form leaves claimed details with the first message, and writing without it works as well',
  { skip },
  async (t) => {
    const { server, browser } = await place(t)
    const { page } = await openPage(browser, `${server.origin}/chat/`)
    const form = page.getByTestId('chat-ask')
    await form.getByLabel('Name').fill('Grace')
    await form.getByLabel('E-mail').fill('grace@mail.test')
    await form.getByRole('button', { name: 'Save' }).click()
    await form.getByText('Thank you, Grace.').waitFor()
    await write(page, 'Hi')
    const event = await until(page, () => server.host.accepted.find((known) => known.type === 'message'))
    t.match(event, {
      sender: {
        name: 'Grace',
        identifiers: [
          { kind: 'device', assurance: 'verified' },
          { kind: 'email', value: 'grace@mail.test', assurance: 'claimed' },
        ],
      },
    })
    await form.waitFor({ state: 'hidden' })
  },
)

test('the chat is used by keyboard alone', { skip }, async (t) => {
  const { server, browser } = await place(t)
  const { page } = await openPage(browser, `${server.origin}/chat/`, { viewport: { width: 800, height: 700 } })
  const launcher = page.getByRole('button', { name: 'Open the chat' })
  await launcher.focus()
  await page.keyboard.press('Enter')
  await page.getByRole('dialog', { name: 'Chat with us' }).waitFor()
  await page.keyboard.type('one')
  await page.keyboard.press('Shift+Enter')
  await page.keyboard.type('two')
  await page.keyboard.press('Enter')
  const event = await until(page, () => server.host.accepted.find((known) => known.type === 'message'))
  t.match(event, { text: 'one\ntwo' })
  t.equal(await page.getByRole('textbox', { name: 'Your message' }).inputValue(), '')
  t.equal(await page.getByRole('log', { name: 'Conversation' }).getAttribute('aria-live'), 'polite')
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'hidden' })
  const focused = await page.evaluate(
    () => (globalThis as any).document.activeElement.shadowRoot.activeElement.dataset.testid,
  )
  t.equal(focused, 'chat-launcher')
})

test('a closed chat counts what comes in, and reading it clears the count', { skip }, async (t) => {
  const { server, browser } = await place(t)
  const { page } = await openPage(browser, `${server.origin}/chat/`)
  await write(page, 'Hi')
  const thread = await until(page, () => server.threads()[0])
  await online(page)
  await page.getByTestId('chat-launcher').click()
  say(server, thread, 'one')
  say(server, thread, 'two')
  await page.getByTestId('chat-unread').getByText('2').waitFor()
  const status = () => server.host.accepted.flatMap((event) => (event.type === 'receipt' ? [event.status] : []))
  await until(page, () => status().length >= 2)
  t.notOk(status().includes('read'), 'delivered, not read')
  await page.getByTestId('chat-launcher').click()
  await page.getByTestId('chat-unread').waitFor({ state: 'hidden' })
  await until(page, () => status().includes('read'))
  t.equal(await messages(page, 'out').count(), 2)
})

test('what came in while the page was closed is acknowledged when it is read', { skip }, async (t) => {
  const { server, browser } = await place(t)
  const { page } = await openPage(browser, `${server.origin}/chat/`)
  await write(page, 'Hi')
  const thread = await until(page, () => server.threads()[0])
  await page.locator('[data-direction=in][data-state=sent]').waitFor()
  await page.goto('about:blank')
  const { externalId } = say(server, thread, 'You were away')
  await page.goto(`${server.origin}/chat/`)
  await messages(page, 'out').getByText('You were away').waitFor()
  const receipt = await until(page, () => server.host.accepted.find((event) => event.type === 'receipt'))
  t.match(receipt, { target: externalId, status: 'read', watermark: true, thread: { id: thread } })
})

test('two tabs of one browser are one visitor and show the same', { skip }, async (t) => {
  const { server, browser } = await place(t)
  const { page } = await openPage(browser, `${server.origin}/chat/`)
  const second = await page.context().newPage()
  await second.goto(`${server.origin}/chat/`)
  await Promise.all([online(page), online(second)])
  await write(page, 'from the first')
  await messages(second, 'in').getByText('from the first').waitFor()
  await write(second, 'from the second')
  await messages(page, 'in').getByText('from the second').waitFor()
  t.equal(server.threads().length, 1)
  for (const tab of [page, second]) {
    t.same(await tab.locator('[data-testid=chat-message] .bubble').allTextContents(), [
      'from the first',
      'from the second',
    ])
  }
})

test(
  'a signed visitor has the account, and after signing out nothing of it is left in the browser',
  { skip },
  async (t) => {
    const { server, browser } = await place(t, { siteSecret })
    const { page } = await openPage(browser, `${server.origin}/chat/`)
    await write(page, 'anonymous words')
    const anonymous = await until(page, () => server.threads()[0])
    const chat = page.locator('throughline-chat')
    const exp = Math.floor(Date.now() / 1000) + 300
    const set = (token: string | null) =>
      chat.evaluate(
        (element, value) =>
          value === null ? element.removeAttribute('site-token') : element.setAttribute('site-token', value),
        token,
      )
    await set(await siteToken({ aud: 'webchat', exp }))
    await messages(page, 'in').waitFor({ state: 'detached' })
    await online(page)
    await write(page, 'account words')
    const signed = await until(page, () => server.threads().find((thread) => thread.startsWith('site:')))
    say(server, signed, 'secret of the account')
    await messages(page, 'out').getByText('secret of the account').waitFor()
    await set(null)
    await messages(page, 'in').getByText('anonymous words').waitFor()
    t.equal(await messages(page, 'out').count(), 0)
    const stored = await page.evaluate(() => JSON.stringify({ ...(globalThis as any).localStorage }))
    t.notOk(stored.includes('eyJhY2NvdW50'), 'no token with an account is kept')
    await page.reload()
    await messages(page, 'in').getByText('anonymous words').waitFor()
    t.equal(await messages(page, 'out').count(), 0)
    t.equal(server.threads()[0], anonymous)
  },
)

test('a refused site token is told to the page, which can set a new one', { skip }, async (t) => {
  const { server, browser } = await place(t, { siteSecret, requireSigned: true })
  const { page } = await openPage(browser, `${server.origin}/chat/`)
  await page.locator('[data-testid=chat-status][data-state=refused]').waitFor()
  t.equal(await page.getByTestId('chat-input').isDisabled(), true)
  const told = page.evaluate(
    () =>
      new Promise((resolve) =>
        (globalThis as any).addEventListener('throughline:token-needed', (event: any) => resolve(event.detail.code), {
          once: true,
        }),
      ),
  )
  const chat = page.locator('throughline-chat')
  const set = (token: string) => chat.evaluate((element, value) => element.setAttribute('site-token', value), token)
  await set(await siteToken({ aud: 'webchat', exp: 1 }))
  t.equal(await told, 'site_token_expired')
  await set(await siteToken({ aud: 'webchat', exp: Math.floor(Date.now() / 1000) + 300 }))
  await online(page)
  t.equal(await page.getByTestId('chat-input').isDisabled(), false)
})

test('another site embeds the widget when it is on the list, and cannot otherwise', { skip }, async (t) => {
  const pages: Record<string, string> = {}
  const { server: site, browser } = await place(t, {}, pages)
  const listed = await webChatServer({ allowedOrigins: [site.origin] })
  const closed = await webChatServer()
  t.teardown(async () => {
    await listed.close()
    await closed.close()
  })
  const open = async (engine: WebChatServer) => {
    pages['/shop'] = `<!doctype html><script type="module" src="${engine.origin}/chat/widget.js"></script>
      <throughline-chat open></throughline-chat>`
    const { page } = await openPage(browser, `${site.origin}/shop`)
    return page
  }
  const allowed = await open(listed)
  await online(allowed)
  await write(allowed, 'Hello from another site')
  await until(allowed, () => listed.threads()[0])
  await allowed.locator('[data-direction=in][data-state=sent]').waitFor()
  const refused = await open(closed)
  await refused.getByTestId('chat-input').waitFor()
  await write(refused, 'x')
  await refused.getByTestId('chat-retry').waitFor()
  t.equal(closed.threads().length, 0)
  t.equal(closed.host.accepted.length, 0)
})
