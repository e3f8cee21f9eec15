import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { Command } from 'commander'
import type { OfflineRows } from '#assets/collections'
import { canonicalJson, RedoubtError } from '#foundation/core'
import type { OfflineEntry } from '#trust/audit'
import type { openEscrowed } from '#trust/keys'
import { run } from '../program.ts'
import { repeated } from '../repeated.ts'
import { openPlacedFile } from '../placed-file.ts'

interface EscrowOptions {
  readonly keysDb: string
  readonly key: readonly string[]
  readonly passphraseFile?: string
  readonly out: string
  readonly force?: boolean
  readonly dataDb?: string
}

/** `redoubt keys escrow`: what the holder of an escrow key does when the key provider is lost; offline, on files of backups. */
export function escrowCommand(): Command {
  const escrow = new Command('escrow').description(
    'open what data sets, models and the log sealed, by the private key of an escrow recipient (`keys.escrow`)',
  )
  escrow
    .command('open')
    .description('open one object of a backup of data, offline: without the server, its passphrase, HSM or key service')
    .argument(
      '<object>',
      'a file of `objects/` in a backup of data; of `objects/collections/` rows that were in no version yet, as JSON lines',
    )
    .requiredOption('--keys-db <file>', '`keys.db` of a backup of keys')
    .option('--data-db <file>', '`redoubt.db` of the backup of data, for rows that were in no version yet')
    .option('--key <file>', 'key file of the recipient; repeat for more', repeated, [])
    .option('--passphrase-file <file>', 'passphrase of the key file')
    .requiredOption('--out <file>', 'where to')
    .option('--force', 'replace a file of that name')
    .action(
      run<EscrowOptions>(async ({ output }, { keysDb, dataDb, key, passphraseFile, out, force }, object = '') => {
        if (key.length === 0) throw new RedoubtError('ERR_USAGE', 'name the key file of an escrow recipient with `--key`')
        for (const file of [object, keysDb, ...(dataDb === undefined ? [] : [dataDb])])
          if (!existsSync(file)) throw new RedoubtError('ERR_NOT_FOUND', `there is no file \`${file}\``)
        const { openObject } = await import('#foundation/crypto')
        const { nodeFolder } = await import('#foundation/storage')
        const { openEscrowed } = await import('#trust/keys')
        const { readFileKeys } = await import('./secret-files.ts')
        const keys = await readFileKeys(key, passphraseFile)
        const escrowed = openEscrowed(keysDb, keys)
        try {
          const collected = await collectedRows(object, dataDb, escrowed.unwrap)
          if (collected !== null) {
            const { collection, rows, lines } = collected
            await written(out, force, lines)
            output.result({ file: out, rows, collection }, `opened ${rows} rows that were collected for ${collection}: ${out}`)
            return
          }
          const opened = await openObject(nodeFolder(dirname(object)), basename(object), escrowed.unwrap)
          const bytes = await written(out, force, opened.read({ transient: true }))
          const { resource } = opened.header.binding
          output.result({ file: out, bytes, resource }, `opened ${bytes} bytes of ${resource}: ${out}`)
        } finally {
          escrowed.close()
        }
      }),
    )
  escrow
    .command('log')
    .description('open what the log of a backup says of persons, offline, where people’s keys are in escrow (`keys.escrowPeople`)')
    .argument('<folder>', '`log/` of a backup of data')
    .requiredOption('--keys-db <file>', '`keys.db` of a backup of keys')
    .option('--key <file>', 'key file of the recipient; repeat for more', repeated, [])
    .option('--passphrase-file <file>', 'passphrase of the key file')
    .requiredOption('--out <file>', 'where to: JSON lines, one an entry that says something of persons')
    .option('--force', 'replace a file of that name')
    .action(
      run<EscrowOptions>(async ({ output }, { keysDb, key, passphraseFile, out, force }, folder = '') => {
        if (key.length === 0) throw new RedoubtError('ERR_USAGE', 'name the key file of an escrow recipient with `--key`')
        for (const file of [folder, keysDb]) if (!existsSync(file)) throw new RedoubtError('ERR_NOT_FOUND', `there is no \`${file}\``)
        const { nodeFolder } = await import('#foundation/storage')
        const { offlineEntries } = await import('#trust/audit')
        const { openEscrowed } = await import('#trust/keys')
        const { readFileKeys } = await import('./secret-files.ts')
        const escrowed = openEscrowed(keysDb, await readFileKeys(key, passphraseFile))
        try {
          const log = nodeFolder(folder)
          const counts = { entries: 0, opened: 0, closed: 0 }
          const lines = linesOf(offlineEntries({ read: (path) => log.read(path), sealer: escrowed.fields() }), counts)
          await written(out, force, lines)
          const { entries, opened, closed } = counts
          output.result({ file: out, ...counts }, `opened ${opened} of ${opened + closed} people’s fields in ${entries} entries: ${out}`)
        } finally {
          escrowed.close()
        }
      }),
    )
  return escrow
}

/** @throws {RedoubtError} `ERR_CRYPTO_NO_KEY` at the end, where there is something and nothing of it was opened. */
async function* linesOf(
  entries: AsyncIterable<OfflineEntry>,
  counts: { entries: number; opened: number; closed: number },
): AsyncGenerator<Uint8Array> {
  for await (const one of entries) {
    counts.entries++
    for (const { fields } of one.personal) counts[fields === null ? 'closed' : 'opened']++
    yield Buffer.from(
      `${canonicalJson({ index: one.index, entry: one.entry, personal: one.personal.map(({ subject, fields }) => ({ subject, fields })) })}\n`,
    )
  }
  if (counts.opened === 0 && counts.closed > 0)
    throw new RedoubtError(
      'ERR_CRYPTO_NO_KEY',
      'none of these fields is in escrow for this key, or all of them are of people who were erased',
    )
}

const SEGMENT_MAGIC = 'RCL1'

/** Rows that are in no version yet; null for a file that holds none. */
async function collectedRows(
  path: string,
  database: string | undefined,
  unwrap: ReturnType<typeof openEscrowed>['unwrap'],
): Promise<OfflineRows | null> {
  if (beginning(path) !== SEGMENT_MAGIC) return null
  if (database === undefined)
    throw new RedoubtError('ERR_USAGE', 'name `redoubt.db` of the same backup with `--data-db`: it knows the columns of these rows')
  const { openOfflineSegment } = await import('#assets/collections')
  return openOfflineSegment({ bytes: readFileSync(path), database, unwrap })
}

function beginning(path: string): string {
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(SEGMENT_MAGIC.length)
    return bytes.toString('latin1', 0, readSync(file, bytes))
  } finally {
    closeSync(file)
  }
}

/** Whole, or not there. @returns how many bytes. */
async function written(out: string, force: boolean | undefined, pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<number> {
  const file = await openPlacedFile(out, force === true)
  let bytes = 0
  try {
    for await (const piece of pieces) {
      bytes += piece.byteLength
      await file.write(piece)
    }
    await file.place()
    return bytes
  } finally {
    await file.close()
  }
}
