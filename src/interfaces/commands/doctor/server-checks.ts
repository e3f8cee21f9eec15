import { asRedoubtError, type Clock, type RedoubtError } from '#foundation/core'
import type { AlertsHealth } from '#governance/alerts'
import type { BreakGlassHealth } from '#governance/approvals'
import type { ConditionsHealth } from '#trust/conditions'
import type { Client } from '../client.ts'
import { breakGlassCheck } from './break-glass-check.ts'
import { alertChecks } from './alert-checks.ts'
import { legChecks } from './leg-checks.ts'
import { type Finding, ok, problem, unknown, warning } from './finding.ts'
import { keyRotationCheck, type KeyRotationHealth } from './key-rotation-check.ts'
import { keyUseCheck, type KeyReconciliationHealth } from './key-use-check.ts'

const CLOCK_TOLERANCE_MS = 2_000

export interface Status {
  readonly version: string
  readonly profile: string
  readonly now: number
  readonly ready: string
  readonly administratorEnrolled: boolean
  readonly certificateNotAfter: number
  readonly upstreams: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[]
  readonly log: {
    readonly ok: boolean
    readonly size: number
    readonly published: number
    readonly outside: readonly { readonly name: string; readonly size: number; readonly problem: string | null }[]
  }
  readonly alerts: AlertsHealth
  readonly breakGlass: BreakGlassHealth
  readonly keyRotation: KeyRotationHealth
  readonly keyReconciliation: KeyReconciliationHealth
  readonly conditions: ConditionsHealth
  /** Of the server's process. A limit of null is none. */
  readonly coreDumps: { readonly limit: number | null; readonly memory: boolean }
  readonly insecure: readonly { readonly what: string; readonly mend: string }[]
}

/** What the handshake says: TLS 1.3 with the hybrid group, a certificate that fits, TLS 1.2 refused. */
export async function tlsChecks(client: Client, now: number): Promise<readonly Finding[]> {
  const url = new URL(client.place.url)
  let ca: string | undefined
  try {
    ca = client.ca()
  } catch (thrown) {
    return [problem('TLS', asRedoubtError(thrown).message, 'start the server; if it runs, name its REDOUBT_DATA_DIR or REDOUBT_CA')]
  }
  const target = {
    host: url.hostname,
    port: Number(url.port || 443),
    servername: url.hostname,
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca }),
  }
  const { isHybridGroup, probeTls } = await import('#foundation/crypto')
  const modern = await probeTls({ ...target, minVersion: 'TLSv1.3' })
  if (typeof modern === 'string')
    return [
      problem(
        'TLS',
        `no trusted TLS 1.3 connection to ${client.place.url}: ${modern}`,
        'start the server; if it runs, compare REDOUBT_PORT and ca.pem',
      ),
    ]
  const end = Date.parse(modern.notAfter)
  const old = await probeTls({ ...target, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' })
  return [
    isHybridGroup(modern.group)
      ? ok('TLS', `${modern.protocol}, ${modern.group}, ${modern.cipher}`)
      : warning(
          'TLS',
          `${modern.protocol} without the post-quantum hybrid (${modern.group})`,
          'nothing to mend on this side: a proxy in between ends the connection',
        ),
    typeof old === 'string'
      ? ok('TLS 1.2', 'refused')
      : problem('TLS 1.2', 'accepted', 'a proxy in between accepts old protocols; set it to TLS 1.3'),
    now < end
      ? ok('certificate', `until ${new Date(end).toISOString()}, renewed by itself`)
      : problem('certificate', `ended at ${new Date(end).toISOString()}`, 'restart the server and read its log for why it could not renew'),
  ]
}

/** A file of countries older than this is wrong about many addresses. */
const OLD_COUNTRIES_MS = 180 * 86_400_000

function conditionChecks({ problem: trouble, principals, countryFile }: ConditionsHealth, now: number): readonly Finding[] {
  return [
    trouble === null
      ? ok('habits', `of ${principals} callers`)
      : problem(
          'habits',
          `they cannot be saved (${trouble})`,
          'free disk space and check the permissions of conditions.db; after a restart what was learnt since would seem new',
        ),
    ...(countryFile === null
      ? []
      : [
          now - countryFile.builtAt < OLD_COUNTRIES_MS
            ? ok('country file', `${countryFile.type}, built ${new Date(countryFile.builtAt).toISOString().slice(0, 10)}`)
            : warning('country file', `it is older than half a year (${countryFile.type})`, 'replace the file and start the server again'),
        ]),
  ]
}

/** A dump of the server would hold keys and rows in clear. */
function coreDumpCheck({ limit, memory }: Status['coreDumps']): Finding {
  if (limit !== 0)
    return warning(
      'core dumps',
      `a crash of the server may leave a core file${memory ? ' with its memory in clear' : ''}`,
      'start it through `bin/redoubt` or `npm start`, or after `ulimit -c 0`; production does not start otherwise',
    )
  return memory
    ? warning(
        'core dumps',
        'no file is left by a crash, but a handler that the system pipes dumps to may keep the memory',
        'see `/proc/sys/kernel/core_pattern`; this kernel takes no `coredump_filter`',
      )
    : ok('core dumps', 'a crash leaves no file, and no memory to a handler')
}

/** @param asked when the question left this host, @param answered and when the answer was there: the server looked at its clock in between. */
function clockCheck(server: number, asked: number, answered: number): Finding {
  const drift = Math.max(asked - server, server - answered, 0)
  return drift <= CLOCK_TOLERANCE_MS
    ? ok('clock', drift === 0 ? 'this host and the server agree' : `this host and the server differ by ${drift} ms`)
    : problem(
        'clock',
        `this host and the server differ by ${Math.round(drift / 1000)} s`,
        'set both clocks by NTP: tokens and certificates live by them',
      )
}

/** What the server knows of itself. @param asked epoch milliseconds when it was asked, and @param now when it had answered. */
export function statusChecks(status: Status, asked: number, now: number): readonly Finding[] {
  return [
    clockCheck(status.now, asked, now),
    status.ready === 'ready'
      ? ok('ready', `version ${status.version}, profile ${status.profile}`)
      : problem(
          'ready',
          `the server is ${status.ready}`,
          'read the server’s log; `redoubt audit search --outcome failed` shows what failed',
        ),
    status.log.ok
      ? ok('audit log', `${status.log.size} entries, ${status.log.published} under a signed checkpoint`)
      : problem(
          'audit log',
          'it cannot be written',
          'free disk space and check the permissions of the log folder; until then every request is refused',
        ),
    ...status.log.outside.map((sink) =>
      sink.problem === null && sink.size >= 0
        ? ok('outside place', `${sink.name} holds a checkpoint of size ${sink.size}`)
        : problem(
            'outside place',
            `${sink.name} does not receive checkpoints: ${sink.problem ?? 'none arrived yet'}`,
            'make it reachable: only a checkpoint outside shows a rewritten past',
          ),
    ),
    coreDumpCheck(status.coreDumps),
    ...alertChecks(status.alerts),
    breakGlassCheck(status.breakGlass),
    keyRotationCheck(status.keyRotation),
    keyUseCheck(status.keyReconciliation),
    ...conditionChecks(status.conditions, now),
    ...status.upstreams.map((upstream) =>
      upstream.ok
        ? ok('upstream', upstream.name)
        : problem('upstream', `${upstream.name} ${upstream.detail}`, 'check its address, its credential reference and the network'),
    ),
    ...status.insecure.map(({ what, mend }) => warning('insecure default', what, mend)),
  ]
}

export async function serverChecks(client: Client, clock: Pick<Clock, 'now'>): Promise<readonly Finding[]> {
  const tls = await tlsChecks(client, clock.now())
  if (tls.some((finding) => finding.check === 'TLS' && finding.state === 'problem')) return tls
  return [...tls, ...(await stateChecks(client, clock))]
}

/** What the server says when it is asked. */
export async function stateChecks(client: Pick<Client, 'call'>, clock: Pick<Clock, 'now'>): Promise<readonly Finding[]> {
  try {
    const asked = clock.now()
    const status = await client.call<Status>('/status')
    return [...statusChecks(status, asked, clock.now()), ...(await legChecks(client))]
  } catch (thrown) {
    return [unreadable(asRedoubtError(thrown))]
  }
}

/** Codes of whoever may not ask; every other one is the server's own trouble, and says itself what to do. */
const NOT_ALLOWED = /^ERR_(?:USAGE|POLICY|TOKEN|SESSION|IDENTITY)/

function unreadable({ code, message, next }: RedoubtError): Finding {
  return NOT_ALLOWED.test(code)
    ? unknown(
        'server',
        `its state cannot be read: ${message}`,
        'run this as the user of the server, `redoubt login`, or set REDOUBT_TOKEN to a token that may `view` the system',
      )
    : problem('server', `its state cannot be read: ${message}`, next)
}
