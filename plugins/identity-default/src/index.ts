import { defineIdentity } from '@throughline/plugin-sdk'
import { resolve } from './resolve.js'

export { normalEmail } from './email.js'
export { normalPhone } from './phone.js'

export default defineIdentity({
  name: 'identity-default',
  version: '0.1.0',
  title: 'Default identity',
  docs: 'README.md',
  config: {
    type: 'object',
    properties: {
      defaultCountry: {
        type: 'string',
        pattern: '^[A-Z]{2}$',
        description:
          'Country (ISO 3166, e.g. DE) in which phone numbers without + are read; without it they are not phone numbers',
      },
      foldGmail: {
        type: 'boolean',
        default: false,
        description: 'Treat a.da+x@gmail.com, ada@gmail.com and ada@googlemail.com as one mailbox',
      },
    },
  },
  setup: ({ config }) => ({ resolve: (query) => resolve(query, config) }),
})
