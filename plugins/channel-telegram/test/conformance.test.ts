import { test } from 'tap'
import { channelConformance } from '@throughline/plugin-sdk/testing'
import type { UpstreamAnswer, UpstreamCall } from '@throughline/plugin-sdk/testing'
import plugin from '../src/index.js'
import { ada, chat, date, message, pressed, settings, update } from './samples.js'

const answer = ({ path }: UpstreamCall): UpstreamAnswer => {
  const results: Readonly<Record<string, unknown>> = {
    getUpdates: [],
    getMe: { id: 1, username: 'shop_bot' },
    getWebhookInfo: { url: '' },
  }
  const method = path.split('/').at(-1) ?? ''
  return { body: { ok: true, result: method in results ? results[method] : { message_id: 55, chat, date } } }
}
const base = {
  root: new URL('../../', import.meta.url),
  invalidConfig: [
    { config: {}, path: '/botToken' },
    { config: { botToken: 'no-token' }, path: '/botToken' },
    { config: { ...settings, mode: 'both' }, path: '/mode' },
    { config: { ...settings, secretToken: 'with spaces' }, path: '/secretToken' },
  ],
  answer,
  thread: '7001',
  messageId: '7001:12',
}

test('channel-telegram by webhook passes the conformance kit', async (t) => {
  const report = await channelConformance(t, plugin, {
    ...base,
    config: (apiBase) => ({ ...settings, apiBase, registerWebhook: true }),
    requests: {
      text: { body: update({ text: 'Hello' }), types: ['message'] },
      photo: {
        body: update({ photo: [{ file_id: 'P1', width: 10, height: 10 }], caption: 'Look' }),
        types: ['message'],
      },
      contact: {
        body: update({ contact: { phone_number: '491510000001', first_name: 'Ada', user_id: 7001 } }),
        types: ['message'],
      },
      venue: {
        body: update({ venue: { location: { latitude: 1, longitude: 2 }, title: 'Shop', address: 'Street 1' } }),
        types: ['message'],
      },
      edit: {
        body: { update_id: 901, edited_message: message({ text: 'better', edit_date: date + 9 }) },
        types: ['edit'],
      },
      button: { body: { update_id: 902, callback_query: pressed }, types: ['action'] },
      reaction: {
        body: {
          update_id: 903,
          message_reaction: {
            chat,
            message_id: 12,
            user: ada,
            date,
            old_reaction: [],
            new_reaction: [{ type: 'emoji', emoji: '👍' }],
          },
        },
        types: ['reaction'],
      },
      blocked: {
        body: { update_id: 904, my_chat_member: { chat, from: ada, date, new_chat_member: { status: 'kicked' } } },
        types: ['consent'],
      },
      deleted: {
        body: {
          update_id: 905,
          deleted_business_messages: { business_connection_id: 'B1', chat, message_ids: [1, 2] },
        },
        types: ['delete', 'delete'],
      },
      news: { body: { update_id: 906, something_new: {} }, types: ['unknown'] },
      echo: {
        body: {
          update_id: 907,
          business_message: message({
            business_connection_id: 'B1',
            from: { id: 1, first_name: 'Shop' },
            text: 'By hand',
          }),
        },
        types: ['message'],
        echo: true,
      },
    },
    withText: (text) => update({ text }),
  })
  t.same(report.failed, [])
  t.equal(report.grade, 'gold')
})

test('channel-telegram by polling passes the conformance kit', async (t) => {
  const report = await channelConformance(t, plugin, {
    ...base,
    config: (apiBase) => ({ botToken: settings.botToken, mode: 'polling', apiBase }),
    requests: {},
    record: false,
  })
  t.same(report.failed, [])
  t.ok(report.passed.includes('L4'), 'connect was tried')
})
