import { realpath, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { join, normalize, sep } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Surface } from '@throughline/plugin-sdk'
import { ThroughlineError } from '../../errors.js'
import type { HttpDeps } from '../deps.js'

/**
 * Web pages of plugins: files only, through one wildcard over whatever surfaces run now. GET and HEAD; no dotfiles, no
 * listings, no links out of the root.
 */
export async function surfaceRoutes(app: FastifyInstance, deps: HttpDeps): Promise<void> {
  await app.register(fastifyStatic, { serve: false, root: fileURLToPath(new URL('.', import.meta.url)) })
  app.setNotFoundHandler(async (request, reply) => {
    const nothing = () => new ThroughlineError('TL_REQUEST_NOT_FOUND', 'there is nothing at this address')
    if (request.method !== 'GET' && request.method !== 'HEAD') throw nothing()
    const { pathname, search } = new URL(request.raw.url ?? '/', 'http://local')
    if (pathname === '/') {
      const first = deps.plugins.surfaces().find((one) => one.live !== null)
      if (first) return reply.redirect(`${first.mount}/`)
    }
    const surface = deps.plugins
      .surfaces()
      .find((one) => pathname === one.mount || pathname.startsWith(`${one.mount}/`))
    if (surface?.live == null) throw nothing()
    if (pathname === surface.mount) return reply.redirect(`${surface.mount}/${search}`, 308)
    const inside = decodePath(pathname.slice(surface.mount.length))
    if (inside === null) throw nothing()
    guardHeaders(reply, surface.live)
    if (inside === '/config.json') return reply.header('cache-control', 'no-cache').send(surface.live.settings ?? {})
    const file = await locate(surface.live, inside)
    if (file === null) throw nothing()
    const hashed = /[.-][0-9a-f]{8,}\.\w+$/.test(file)
    return reply
      .header('cache-control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache')
      .sendFile(file, fileURLToPath(surface.live.root), { cacheControl: false })
  })
}

function decodePath(path: string): string | null {
  try {
    const decoded = decodeURIComponent(path)
    if (decoded.includes('\0') || decoded.includes('\\')) return null
    if (decoded.split('/').some((segment) => segment.startsWith('.'))) return null
    return decoded
  } catch {
    return null
  }
}

/** Path relative to the root, or null. Links are resolved, so that none leads out. */
async function locate(surface: Surface, inside: string): Promise<string | null> {
  const root = await realpath(fileURLToPath(surface.root))
  const index = surface.index ?? 'index.html'
  const wanted = normalize(inside.endsWith('/') ? `${inside}${index}` : inside)
  const candidates = [wanted, ...(surface.spa === true && !/\.\w+$/.test(wanted) ? [`/${index}`] : [])]
  for (const candidate of candidates) {
    const real = await realpath(join(root, candidate)).catch(() => null)
    if (real === null || !real.startsWith(root + sep)) continue
    if ((await stat(real)).isFile()) return candidate.slice(1)
  }
  return null
}

function guardHeaders(reply: FastifyReply, surface: Surface): void {
  const ancestors = surface.embed === true ? '*' : "'none'"
  void reply.headers({
    'content-security-policy':
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; media-src 'self' https:; font-src 'self'; " +
      `connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors ${ancestors}`,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'strict-origin-when-cross-origin',
  })
  if (surface.embed === true) {
    // Loaded by other sites as a module: that is a cross-origin request, and the files are public.
    void reply.headers({ 'access-control-allow-origin': '*', 'cross-origin-resource-policy': 'cross-origin' })
    void reply.removeHeader('x-frame-options')
  }
}
