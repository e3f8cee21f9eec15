import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { KeyHolders } from '#trust/keys'
import { run } from '../program.ts'
import { SERVER_FILE } from '../place.ts'
import type { KeyRetention } from './key-retention.ts'

/** Longer than a running log takes from an entry to the checkpoint over it. */
const SETTLE_MS = 2_000
const MAX_KEEP_DAYS = 90

const days = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > MAX_KEEP_DAYS) throw new InvalidArgumentError(`1 to ${MAX_KEEP_DAYS} days`)
  return value
}
const moment = (time: number): string => new Date(time).toISOString().slice(0, 16).replace('T', ' ')

/** What is done with the files on this host, with a server or without one. @param version of this program, noted in the backup. */
export function backupCommands(version: string): Command[] {
  const backup = new Command('backup')
    .description('copy what the server on this host keeps, while it serves or while it does not; keys apart from data')
    .requiredOption('--to <folder>', 'folder for backups of data')
    .requiredOption('--keys-to <folder>', 'folder for backups of keys, in another place: whoever has both from before an erasure undoes it')
    .addOption(
      new Option(
        '--keep-keys-days <days>',
        'older key backups in that folder are removed; 7, and never more than `keys.rotation.graceDays`, unless given',
      ).argParser(days),
    )
    .action(
      run<{ to: string; keysTo: string; keepKeysDays?: number }>(async ({ place, output }, { to, keysTo, keepKeysDays }) => {
        const { takeBackup } = await import('./take-backup.ts')
        const taken = await takeBackup({
          dataDir: place.dataDir,
          to,
          keysTo,
          keepKeysDays: keepKeysDays ?? null,
          version,
          now: Date.now(),
          settle: async () => {
            if (isServing(place.dataDir)) await wait(SETTLE_MS)
          },
          progress: (files) => output.progress('copying', files, null, 'files'),
        })
        output.progressDone()
        const pruned = taken.pruned.length === 0 ? '' : `\nremoved ${taken.pruned.length} key backups that were older`
        output.result(
          taken,
          `data   ${taken.data}\n       ${taken.files} files, ${taken.bytes.toLocaleString('en')} bytes, ${taken.logSize} entries of the log\nkeys   ${taken.keys}\n       remove it by ${moment(taken.keysUntil)} UTC, as the next backup does:\n       until then, what is erased can be read with it${pruned}`,
        )
        output.note([heldOutside(taken.heldBy), ...retentionText(taken.retention)].join('\n'))
      }),
    )

  const restore = new Command('restore')
    .description('put a backup of data and one of keys together into a new data directory (`--data-dir`)')
    .requiredOption('--from <folder>', 'backup of data, as `backup` names it')
    .requiredOption('--keys-from <folder>', 'backup of keys: the one that was taken with the data, or a younger one')
    .option('--erasures-from <folder>', 'the newest backup of keys: what was erased up to then is erased again')
    .action(
      run<{ from: string; keysFrom: string; erasuresFrom?: string }>(async ({ place, output }, { from, keysFrom, erasuresFrom }) => {
        const { restoreBackup } = await import('./restore-backup.ts')
        const restored = await restoreBackup({
          from,
          keysFrom,
          ...(erasuresFrom === undefined ? {} : { erasuresFrom }),
          dataDir: place.dataDir,
          progress: (files, total) => output.progress('restoring', files, total, 'files'),
        })
        output.progressDone()
        output.result(
          restored,
          `restored to \`${restored.dataDir}\`: data of ${moment(restored.dataOf)}, keys of ${moment(restored.keysOf)} (UTC)\nthe log verifies, ${restored.logSize} entries\n${restored.erasuresToApply} erasures since: applied at the first start, before anything is served`,
        )
        output.note(neededBy(restored.heldBy))
      }),
    )
  return [backup, restore]
}

function retentionText({ keepKeysDays, graceDays, outlivesGrace }: KeyRetention): readonly string[] {
  if (graceDays === null)
    return [
      `No server has told its grace here: keep \`keys.rotation.graceDays\` at ${keepKeysDays} or more, or a destroyed key version is missed.`,
    ]
  if (!outlivesGrace) return []
  return [
    `Key versions are destroyed after ${graceDays} days, sooner than this key backup ends: raise \`keys.rotation.graceDays\` to ${keepKeysDays} or more.`,
  ]
}

const kindsOf = ({ current, former }: KeyHolders): string[] => [current, ...(former === null ? [] : [former])]

/** What a backup does not have, and is to be kept by other means. */
function heldOutside(held: KeyHolders): string {
  const kinds = kindsOf(held)
  return [
    ...(kinds.includes('sealed-file') ? ['The passphrase, or the shares, are in neither: keep them in a third place.'] : []),
    ...kinds.filter((kind) => kind !== 'sealed-file').map((kind) => OUTSIDE[kind] ?? `The keys are at \`${kind}\`, and in neither.`),
  ].join('\n')
}

const OUTSIDE: Readonly<Record<string, string>> = {
  pkcs11: 'The keys are in the token, and in neither: back the token up by the means of its maker.',
  'aws-kms': 'The keys are in AWS KMS, and in neither: a key that is deleted there opens nothing any more.',
  transit: 'The keys are in Transit, and in neither: back the engine up by its own means.',
}

function neededBy(held: KeyHolders): string {
  const { current, former } = held
  const from = former === null ? '' : `, and \`moveFrom\` \`${former}\`, from which they were moving`
  return `Its keys are held by \`${current}\`: the configuration is to name it${from}.`
}

function isServing(dataDir: string): boolean {
  const path = join(dataDir, SERVER_FILE)
  if (!existsSync(path)) return false
  try {
    const { pid } = JSON.parse(readFileSync(path, 'utf8')) as { pid?: number }
    return typeof pid === 'number' && process.kill(pid, 0)
  } catch {
    return false
  }
}
