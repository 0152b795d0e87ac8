import { createReadStream } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import { ThroughlineError } from '../../errors.js'
import type { HttpDeps } from '../deps.js'

const inline = /^(image\/(png|jpeg|gif|webp)|audio\/[\w.+-]+|video\/[\w.+-]+)$/

/** Attachments by signed link. Never rendered as a page: only plain media is shown inline, the rest is downloaded. */
export async function fileRoutes(app: FastifyInstance, deps: HttpDeps): Promise<void> {
  app.get('/files/:key', {
    schema: { hide: true },
    handler: async (request, reply) => {
      const { key } = request.params as { key: string }
      const { exp, sig, name } = request.query as { exp?: string; sig?: string; name?: string }
      const row = deps.files.verifyLink({ key, exp, sig, name }) ? await deps.files.info(key) : null
      const path = row === null ? null : await deps.files.path(key)
      if (row === null || path === null)
        throw new ThroughlineError('TL_REQUEST_NOT_FOUND', 'there is no such file, or the link is over')
      const disposition = inline.test(row.mime) ? 'inline' : 'attachment'
      const label = encodeURIComponent(name ?? row.name ?? 'file')
      return reply
        .headers({
          'content-type': row.mime,
          'content-length': String(row.size),
          'content-disposition': `${disposition}; filename*=UTF-8''${label}`,
          'x-content-type-options': 'nosniff',
          'content-security-policy': "default-src 'none'; sandbox",
          'cross-origin-resource-policy': 'cross-origin',
          'cache-control': 'private, max-age=3600',
        })
        .send(createReadStream(path))
    },
  })
}
