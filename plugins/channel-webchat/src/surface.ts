import { defineSurface } from '@throughline/plugin-sdk'

/** The widget's files and a demo page that uses them. */
export default defineSurface({
  name: 'webchat-surface',
  version: '0.1.0',
  title: 'Web chat widget and demo page',
  docs: 'README.md',
  config: {
    type: 'object',
    properties: {
      channel: {
        type: 'string',
        default: 'webchat',
        public: true,
        description: 'Id of the web chat channel the demo page talks to',
      },
    },
  },
  setup: ({ config }) => ({
    mount: '/chat',
    // From dist/src/ up to the package.
    root: new URL('../../public/', import.meta.url),
    audience: 'customer',
    embed: true,
    settings: { channel: config.channel },
  }),
})
