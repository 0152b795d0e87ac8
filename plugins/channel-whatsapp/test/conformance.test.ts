import { test } from 'tap'
import { channelConformance } from '@throughline/plugin-sdk/testing'
import plugin from '../src/index.js'
import { ada, body, echo, from, message, settings, status, text } from './samples.js'

const three = (middle: object) =>
  body({
    contacts: [ada],
    messages: [
      message({ type: 'text', text: { body: 'a' } }, 'wamid.1'),
      middle,
      message({ type: 'text', text: { body: 'c' } }, 'wamid.3'),
    ],
  })

test('channel-whatsapp passes the conformance kit', async (t) => {
  let uploads = 0
  const report = await channelConformance(t, plugin, {
    root: new URL('../../', import.meta.url),
    config: (upstream) => ({ ...settings, apiBase: `${upstream}/v25.0` }),
    invalidConfig: [
      { config: {}, path: '/phoneNumberId' },
      { config: { ...settings, phoneNumberId: '+49 30' }, path: '/phoneNumberId' },
      { config: { ...settings, apiBase: 'graph.facebook.com' }, path: '/apiBase' },
      { config: { ...settings, listButton: 'far too long for a button' }, path: '/listButton' },
    ],
    requests: {
      text: { body: text('Hello'), types: ['message'] },
      image: {
        body: from({ type: 'image', image: { id: '900', mime_type: 'image/jpeg', caption: 'This one' } }),
        types: ['message'],
      },
      button: {
        body: from({
          type: 'interactive',
          context: { id: 'wamid.OUT1' },
          interactive: { type: 'button_reply', button_reply: { id: 'yes', title: 'Yes' } },
        }),
        types: ['action'],
      },
      location: {
        body: from({ type: 'location', location: { latitude: 52.5, longitude: 13.4, name: 'Here' } }),
        types: ['message'],
      },
      contacts: {
        body: from({
          type: 'contacts',
          contacts: [{ name: { formatted_name: 'Bob' }, phones: [{ phone: '+49 151 2', wa_id: '491512' }] }],
        }),
        types: ['message'],
      },
      order: {
        body: from({
          type: 'order',
          order: { product_items: [{ product_retailer_id: 'TEA', quantity: 2, item_price: 3, currency: 'EUR' }] },
        }),
        types: ['message'],
      },
      reaction: {
        body: from({ type: 'reaction', reaction: { message_id: 'wamid.OUT1', emoji: '👍' } }),
        types: ['reaction'],
      },
      edit: {
        body: from({
          type: 'edit',
          edit: { original_message_id: 'wamid.IN0', message: { type: 'text', text: { body: 'better' } } },
        }),
        types: ['edit'],
      },
      revoke: { body: from({ type: 'revoke', revoke: { original_message_id: 'wamid.IN0' } }), types: ['delete'] },
      system: {
        body: from({ type: 'system', system: { type: 'user_changed_number', wa_id: '491510000009' } }),
        types: ['profile'],
      },
      delivered: { body: status({ status: 'delivered' }), types: ['receipt'] },
      failed: {
        body: status({ status: 'failed', errors: [{ code: 131026, title: 'Undeliverable' }] }),
        types: ['receipt'],
      },
      echo: { body: echo(), types: ['message'], echo: true },
    },
    oddItem: {
      good: three(message({ type: 'text', text: { body: 'b' } }, 'wamid.2')),
      odd: three({ id: {}, type: 7 }),
    },
    withText: (words) => text(words),
    challenge: {
      query: { 'hub.mode': 'subscribe', 'hub.verify_token': settings.verifyToken, 'hub.challenge': '1158201444' },
      body: '1158201444',
      wrong: { 'hub.mode': 'subscribe', 'hub.verify_token': 'guess', 'hub.challenge': '1158201444' },
    },
    answer: ({ path }) =>
      path.endsWith('/media')
        ? { body: { id: `upload-${(uploads += 1)}` } }
        : path.endsWith('/messages')
          ? { body: { messaging_product: 'whatsapp', messages: [{ id: 'wamid.OUT2' }] } }
          : { body: { display_phone_number: '+49 30 000000', verified_name: 'Shop', quality_rating: 'GREEN' } },
    thread: ada.wa_id,
    messageId: 'wamid.IN1',
  })
  t.same(report.failed, [])
  t.equal(report.grade, 'gold')
})
