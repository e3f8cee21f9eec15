import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { RedoubtError } from '#foundation/core'
import { run } from './program.ts'

const NAME = 'Redoubt local CA'
const SYSTEM_FOLDER = '/usr/local/share/ca-certificates'

/** Puts the local CA where the system's tools (as root) and Chromium or Firefox of this user look. */
export function trustCommand(): Command {
  return new Command('trust').description('make browsers and tools of this host trust the local CA').action(
    run(async ({ output, place }) => {
      if (!existsSync(place.caPath)) throw new RedoubtError('ERR_SERVER_UNREACHABLE', `there is no certificate \`${place.caPath}\` yet`)
      const done: string[] = []
      const missed: string[] = []
      if (process.getuid?.() === 0 && existsSync('/usr/sbin/update-ca-certificates')) {
        mkdirSync(SYSTEM_FOLDER, { recursive: true })
        copyFileSync(place.caPath, join(SYSTEM_FOLDER, 'redoubt-local-ca.crt'))
        if (spawnSync('/usr/sbin/update-ca-certificates', [], { stdio: 'ignore' }).status === 0)
          done.push('system store (curl, openssl, wget)')
        else missed.push('the system store could not be updated')
      } else
        missed.push(`system store: as root, copy ${place.caPath} to ${SYSTEM_FOLDER}/redoubt-local-ca.crt and run update-ca-certificates`)

      const nss = join(homedir(), '.pki', 'nssdb')
      if (spawnSync('certutil', ['-H'], { stdio: 'ignore' }).error === undefined) {
        if (!existsSync(nss)) {
          mkdirSync(nss, { recursive: true, mode: 0o700 })
          spawnSync('certutil', ['-d', `sql:${nss}`, '-N', '--empty-password'], { stdio: 'ignore' })
        }
        spawnSync('certutil', ['-d', `sql:${nss}`, '-D', '-n', NAME], { stdio: 'ignore' })
        const added = spawnSync('certutil', ['-d', `sql:${nss}`, '-A', '-t', 'C,,', '-n', NAME, '-i', place.caPath], { stdio: 'ignore' })
        if (added.status === 0) done.push('Chromium’s store of this user')
        else missed.push('Chromium’s store could not be changed')
      } else missed.push('Chromium’s store: install `libnss3-tools` and run this again')
      missed.push(`Node and Python: set NODE_EXTRA_CA_CERTS and SSL_CERT_FILE to ${place.caPath}`)
      const lines = [...done.map((store) => `trusted in the ${store}`), ...missed.map((note) => `by hand: ${note}`)]
      output.result({ trusted: done, byHand: missed, ca: place.caPath }, lines.join('\n'))
    }),
  )
}
