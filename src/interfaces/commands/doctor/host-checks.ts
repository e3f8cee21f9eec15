import { X509Certificate } from 'node:crypto'
import { existsSync, lstatSync, readdirSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Place } from '../place.ts'
import { type Finding, ok, problem, unknown, warning } from './finding.ts'

const GIB = 1024 ** 3
/** Below this the log could fill the disk within a day of load. */
const LOW_DISK_BYTES = 2 * GIB
const NO_DISK_BYTES = 256 * 1024 ** 2
const MAX_FILES_LOOKED_AT = 20_000

/** The Node that runs this. */
export function nodeCheck(version: string = process.versions.node): Finding {
  const major = Number(version.split('.')[0])
  return major >= 24
    ? ok('node', `Node ${version}`)
    : problem('node', `Node ${version} is too old`, 'run `npm ci`, which brings Node 24, and start through `bin/redoubt`')
}

/** @param measure free blocks and their size, as the file system tells. */
export function diskCheck(
  { dataDir }: Pick<Place, 'dataDir'>,
  measure: (path: string) => { readonly bavail: number; readonly bsize: number } = statfsSync,
): Finding {
  if (!existsSync(dataDir))
    return unknown('disk', `there is no data directory ${dataDir} yet`, 'start a server with `redoubt up`, or name its REDOUBT_DATA_DIR')
  const { bavail, bsize } = measure(dataDir)
  const free = bavail * bsize
  const words = `${(free / GIB).toFixed(1)} GiB free for ${dataDir}`
  if (free < NO_DISK_BYTES)
    return problem('disk', words, 'free disk space now: without it nothing can be recorded, and what cannot be recorded is refused')
  return free < LOW_DISK_BYTES ? warning('disk', words, 'free disk space or move the data directory') : ok('disk', words)
}

/** Everything in the data and secrets directories belongs to its owner alone. */
export function permissionChecks({ dataDir, secretsDir, caPath }: Place): readonly Finding[] {
  return [dataDir, secretsDir].map((folder) => {
    const check = folder === dataDir ? 'permissions of data' : 'permissions of secrets'
    if (!existsSync(folder))
      return unknown(
        check,
        `there is no folder ${folder}`,
        'name the directories of the server with REDOUBT_DATA_DIR and REDOUBT_SECRETS_DIR',
      )
    const open: string[] = []
    if ((statSync(folder).mode & 0o077) !== 0) open.push(folder)
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).slice(0, MAX_FILES_LOOKED_AT)
    for (const file of files) {
      const path = join(folder, file)
      const status = lstatSync(path, { throwIfNoEntry: false })
      // The folder above keeps others out; a file of it is only wrong when the folder is, except for secrets.
      if (status?.isFile() && path !== caPath && (status.mode & (folder === secretsDir ? 0o077 : 0o002)) !== 0) open.push(path)
    }
    if (open.length === 0) return ok(check, `${folder} belongs to its owner alone`)
    return problem(
      check,
      `open to others: ${open.slice(0, 3).join(', ')}${open.length > 3 ? ` and ${open.length - 3} more` : ''}`,
      `run \`chmod -R go-rwx ${folder}\``,
    )
  })
}

function readCertificate(path: string): X509Certificate | null {
  try {
    return new X509Certificate(readFileSync(path))
  } catch {
    return null
  }
}

export function authorityCheck({ caPath }: Place, now: number): Finding {
  if (!existsSync(caPath)) return unknown('local CA', `there is no ${caPath}`, 'start a server once; it makes the local CA')
  const certificate = readCertificate(caPath)
  if (certificate === null)
    return problem('local CA', `${caPath} is no certificate`, 'move it away and restart: a new one is made, and has to be trusted again')
  const end = Date.parse(certificate.validTo)
  if (now < Date.parse(certificate.validFrom))
    return problem('local CA', `it begins at ${certificate.validFrom}, later than this host’s clock`, 'set the clock of this host')
  if (now > end)
    return problem(
      'local CA',
      `it ended at ${certificate.validTo}`,
      'move ca.pem away and restart: a new one is made, and has to be trusted again',
    )
  return ok('local CA', `${certificate.subject.replaceAll('\n', ', ')}, until ${new Date(end).toISOString().slice(0, 10)}`)
}
