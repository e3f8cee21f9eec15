import { existsSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { Command } from 'commander'
import { RedoubtError } from '#foundation/core'
import { run } from '../program.ts'
import { repeated } from '../repeated.ts'

interface EscrowOptions {
  readonly keysDb: string
  readonly key: readonly string[]
  readonly passphraseFile?: string
  readonly out: string
  readonly force?: boolean
}

/** `redoubt keys escrow`: what the holder of an escrow key does when the key provider is lost; offline, on files of backups. */
export function escrowCommand(): Command {
  const escrow = new Command('escrow').description(
    'open what data sets and models sealed, by the private key of an escrow recipient (`keys.escrow`)',
  )
  escrow
    .command('open')
    .description('open one object of a backup of data, offline: without the server, its passphrase, HSM or key service')
    .argument('<object>', 'a file of `objects/` in a backup of data')
    .requiredOption('--keys-db <file>', '`keys.db` of a backup of keys')
    .option('--key <file>', 'key file of the recipient; repeat for more', repeated, [])
    .option('--passphrase-file <file>', 'passphrase of the key file')
    .requiredOption('--out <file>', 'where to')
    .option('--force', 'replace a file of that name')
    .action(
      run<EscrowOptions>(async ({ output }, { keysDb, key, passphraseFile, out, force }, object = '') => {
        if (key.length === 0) throw new RedoubtError('ERR_USAGE', 'name the key file of an escrow recipient with `--key`')
        for (const file of [object, keysDb]) if (!existsSync(file)) throw new RedoubtError('ERR_NOT_FOUND', `there is no file \`${file}\``)
        const { openObject } = await import('#foundation/crypto')
        const { nodeFolder } = await import('#foundation/storage')
        const { openEscrowed } = await import('#trust/keys')
        const { readFileKeys } = await import('./secret-files.ts')
        const { openPlacedFile } = await import('./placed-file.ts')
        const keys = await readFileKeys(key, passphraseFile)
        const escrowed = openEscrowed(keysDb, keys)
        try {
          const opened = await openObject(nodeFolder(dirname(object)), basename(object), escrowed.unwrap)
          const file = openPlacedFile(out, force === true)
          let bytes = 0
          try {
            for await (const piece of opened.read({ transient: true })) {
              bytes += piece.byteLength
              file.write(piece)
            }
            file.place()
          } finally {
            file.close()
          }
          const { resource } = opened.header.binding
          output.result({ file: out, bytes, resource }, `opened ${bytes} bytes of ${resource}: ${out}`)
        } finally {
          escrowed.close()
        }
      }),
    )
  return escrow
}
