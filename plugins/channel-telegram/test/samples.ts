/** Hand-written updates of the Bot API, with made-up people. */
export const settings = { botToken: '1000001:token-for-tests', secretToken: 'secret-for-tests' }
export const ada = {
  id: 7001,
  is_bot: false,
  first_name: 'Ada',
  last_name: 'Example',
  username: 'ada_x',
  language_code: 'de',
}
export const chat = { id: 7001, type: 'private', first_name: 'Ada' }
export const group = { id: -100500, type: 'supergroup', title: 'Friends' }
export const date = 1767614400

type Json = Readonly<Record<string, unknown>>

export const message = (fields: Json) => ({ message_id: 12, from: ada, chat, date, ...fields })
export const update = (fields: Json, id = 900) => ({ update_id: id, message: message(fields) })
export const pressed = {
  id: 'Q1',
  from: ada,
  data: 'yes',
  message: message({ text: 'Sure?', reply_markup: { inline_keyboard: [[{ text: 'Yes', callback_data: 'yes' }]] } }),
}
