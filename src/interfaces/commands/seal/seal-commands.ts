import { Command } from 'commander'
import { RedoubtError, systemClock } from '#foundation/core'
import type { FileKeys } from '#foundation/crypto'
import { run } from '../program.ts'
import { repeated } from '../repeated.ts'
import { PIPE, progressOf, readInput, requireOwnOutput, writeOutput } from './streams-of-files.ts'

const SUFFIX = '.rdbt'

interface SealOptions {
  readonly to: readonly string[]
  readonly passphraseFile?: string
  readonly out?: string
  readonly force?: boolean
}

interface OpenOptions {
  readonly key: readonly string[]
  readonly passphraseFile?: string
  readonly out?: string
  readonly force?: boolean
}

/** `redoubt seal` and `redoubt open`: single files for people, offline. */
export function sealCommands(): Command[] {
  return [sealCommand(), openCommand()]
}

function sealCommand(): Command {
  return new Command('seal')
    .description('encrypt a file (or `-`, standard input) to recipients or under a passphrase, offline')
    .argument('<file>')
    .option('--to <recipient>', 'a recipient’s line, or a file of such lines; repeat for more', repeated, [])
    .option('--passphrase-file <file>', 'also openable by the passphrase in this file')
    .option('--out <file>', 'where to; `-` is standard output (default: the name with `.rdbt`)')
    .option('--force', 'replace a file of that name')
    .action(
      run<SealOptions>(async ({ output }, { to, passphraseFile, out, force }, file = PIPE) => {
        const target = out ?? (file === PIPE ? missingName() : `${file}${SUFFIX}`)
        requireOwnOutput(target, output)
        const { keyIdOfRecipient, sealFile } = await import('#foundation/crypto')
        const { readPassphrase, readRecipients } = await import('./secret-files.ts')
        const recipients = readRecipients(to)
        const passphrase = readPassphrase(passphraseFile, { fresh: true })
        if (recipients.length === 0 && passphrase === null)
          throw new RedoubtError('ERR_USAGE', 'name who may open the file: `--to` a recipient, or `--passphrase-file`')
        let bytes = 0
        const progress = progressOf(output, 'sealing', () => systemClock.now())
        const source = readInput(file, (done, total) => {
          bytes = done
          progress(done, total)
        })
        await writeWhole(target, force === true, sealFile(source, { recipients, passphrase }, { transient: true }))
        output.progressDone()
        if (target === PIPE) return
        const openable = [...recipients.map(keyIdOfRecipient), ...(passphrase === null ? [] : ['passphrase'])]
        output.result({ file: target, bytes, openableBy: openable }, `sealed ${bytes} bytes to ${openable.join(', ')}: ${target}`)
      }),
    )
}

function openCommand(): Command {
  return new Command('open')
    .description('decrypt what `seal` wrote (or `-`, standard input), offline')
    .argument('<file>')
    .option('--key <file>', 'key file of a recipient; repeat for more', repeated, [])
    .option('--passphrase-file <file>', 'passphrase of the key file, or without `--key` of the sealed file')
    .option('--out <file>', 'where to; `-` is standard output (default: the name without `.rdbt`)')
    .option('--force', 'replace a file of that name')
    .action(
      run<OpenOptions>(async ({ output }, { key, passphraseFile, out, force }, file = PIPE) => {
        const target = out ?? (file.endsWith(SUFFIX) && file !== SUFFIX ? file.slice(0, -SUFFIX.length) : missingName())
        requireOwnOutput(target, output)
        const { readFileKeys } = await import('./secret-files.ts')
        const keys = await readFileKeys(key, passphraseFile)
        const progress = progressOf(output, target === PIPE ? 'checking' : 'opening', () => systemClock.now())
        if (target === PIPE) {
          // Bytes in a pipe cannot be taken back: all of the file is verified before the first of them.
          if (file === PIPE) throw new RedoubtError('ERR_USAGE', 'what comes by a pipe is opened to a file: name one with `--out`')
          for await (const piece of plaintextOf(file, keys, progress)) void piece
          output.progressDone()
        }
        let bytes = 0
        const counted = async function* (): AsyncGenerator<Uint8Array> {
          for await (const piece of plaintextOf(file, keys, progress)) {
            bytes += piece.byteLength
            yield piece
          }
        }
        await writeWhole(target, force === true, counted())
        output.progressDone()
        if (target !== PIPE) output.result({ file: target, bytes }, `opened ${bytes} bytes: ${target}`)
      }),
    )
}

async function* plaintextOf(
  file: string,
  keys: FileKeys,
  progress: (bytes: number, total: number | null) => void,
): AsyncGenerator<Uint8Array> {
  const { openFile } = await import('#foundation/crypto')
  const opened = await openFile(readInput(file, progress), keys)
  yield* opened.read({ transient: true })
}

/** Under its name only when all of it is there: the end of the source has been seen, and for a sealed one its last segment verified. */
async function writeWhole(target: string, force: boolean, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  if (target === PIPE) {
    for await (const piece of pieces) await writeOutput(piece)
    return
  }
  const { openPlacedFile } = await import('./placed-file.ts')
  const file = openPlacedFile(target, force)
  try {
    for await (const piece of pieces) file.write(piece)
    file.place()
  } finally {
    file.close()
  }
}

function missingName(): never {
  throw new RedoubtError('ERR_USAGE', 'name where it goes with `--out`')
}
