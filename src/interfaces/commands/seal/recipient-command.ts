import { Command } from 'commander'
import { RedoubtError } from '#foundation/core'
import { run } from '../program.ts'

const PUBLIC = '.pub'

interface RecipientOptions {
  readonly out: string
  readonly passphraseFile?: string
  /** Commander's name for `--no-passphrase`. */
  readonly passphrase: boolean
}

/** `redoubt keys recipient`: a key pair for sealed files. */
export function recipientCommand(): Command {
  return new Command('recipient')
    .description('make a key pair to which files can be sealed, offline')
    .requiredOption('--out <file>', 'the private key; the line to give away goes to the same name with `.pub`')
    .option('--passphrase-file <file>', 'the key file is sealed under the passphrase in this file')
    .option('--no-passphrase', 'leave the private key in clear, for a place that is sealed by itself')
    .action(
      run<RecipientOptions>(async ({ output }, { out, passphraseFile, passphrase: sealed }) => {
        const { keyIdOfRecipient, newRecipient, recipientText } = await import('#foundation/crypto')
        const { readPassphrase } = await import('./secret-files.ts')
        const { openPlacedFile } = await import('./placed-file.ts')
        const passphrase = readPassphrase(passphraseFile, { fresh: true })
        if (sealed === (passphrase === null))
          throw new RedoubtError('ERR_USAGE', 'say how the private key is kept: `--passphrase-file`, or `--no-passphrase`')
        const { recipient, keyFile } = await newRecipient(passphrase)
        const text = recipientText(recipient)
        // A key is never replaced: what was sealed to it could not be opened any more.
        const files = [openPlacedFile(out, false)]
        try {
          files.push(openPlacedFile(out + PUBLIC, false))
          files[0]!.write(new TextEncoder().encode(keyFile))
          files[1]!.write(new TextEncoder().encode(`${text}\n`))
          for (const file of files) file.place()
        } finally {
          for (const file of files) file.close()
        }
        const keyId = keyIdOfRecipient(recipient)
        output.result(
          { keyId, recipient: text, privateKeyFile: out, publicKeyFile: out + PUBLIC, sealed },
          `made ${keyId}\n  private  ${out}${sealed ? ', sealed under the passphrase' : ', IN CLEAR'}\n  public   ${out}${PUBLIC}, to give away`,
        )
      }),
    )
}
