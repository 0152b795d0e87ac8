/** Hand-written payloads of the Cloud API, with made-up numbers. */
export const phoneNumberId = '200000000000001'
export const settings = {
  phoneNumberId,
  accessToken: 'access-token-for-tests',
  appSecret: 'app-secret-for-tests',
  verifyToken: 'verify-token-for-tests',
}

const metadata = { display_phone_number: '4930000000', phone_number_id: phoneNumberId }
export const ada = { profile: { name: 'Ada' }, wa_id: '491510000001', user_id: 'DE.1000001' }

type Json = Readonly<Record<string, unknown>>

export const body = (...values: readonly Json[]) => ({
  object: 'whatsapp_business_account',
  entry: values.map((value) => ({
    id: '300',
    changes: [{ field: 'messages', value: { messaging_product: 'whatsapp', metadata, ...value } }],
  })),
})
export const message = (fields: Json, id = 'wamid.IN1') => ({ from: ada.wa_id, id, timestamp: '1767614400', ...fields })
export const from = (fields: Json, id?: string) => body({ contacts: [ada], messages: [message(fields, id)] })
export const text = (words: string, id?: string) => from({ type: 'text', text: { body: words } }, id)
export const status = (fields: Json) =>
  body({ statuses: [{ id: 'wamid.OUT1', timestamp: '1767614500', recipient_id: ada.wa_id, ...fields }] })
export const echo = () => ({
  object: 'whatsapp_business_account',
  entry: [
    {
      id: '300',
      changes: [
        {
          field: 'smb_message_echoes',
          value: {
            metadata,
            message_echoes: [
              {
                from: '4930000000',
                to: ada.wa_id,
                id: 'wamid.E1',
                timestamp: '1767614400',
                type: 'text',
                text: { body: 'From the app' },
              },
            ],
          },
        },
      ],
    },
  ],
})
