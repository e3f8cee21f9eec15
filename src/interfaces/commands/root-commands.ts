import { connect } from 'node:net'
import { join } from 'node:path'
import { Command } from 'commander'
import { type ErrorCode, ERROR_TABLE, parseStrictJsonText, RedoubtError } from '#foundation/core'
import type { ProviderDescription, Unsealing } from '#trust/keys'
import { confirmed } from './confirmed.ts'
import { hiddenLine } from './hidden-line.ts'
import { table } from './output.ts'
import { UNSEAL_SOCKET } from './place.ts'
import { run } from './program.ts'
import { wholeNumber } from './whole-number.ts'

const ANSWER_TIMEOUT_MS = 30_000
const MAX_ANSWER_BYTES = 4_096

const SHARES_WARNING = [
  'The keyring will be opened by shares from the next start on, and by nothing else: the passphrase or the shares before these open it no more.',
  'The shares are shown once, here. Give each to another person, on paper or in their own safe, and clear this terminal.',
].join('\n')

/** Who holds the root of trust: kinds of providers, shares and how they are given, the passphrase. */
export function rootCommands(): readonly Command[] {
  const providers = new Command('providers').description('kinds of key providers, which one serves and how it is').action(
    run(async ({ client, output }) => {
      const { providers: found } = await client.call<{ providers: readonly ProviderDescription[] }>('/keys/providers')
      const rows = found.map(({ kind, serves, untestedAgainstTheRealService, health }) => [
        kind,
        serves ? 'yes' : 'no',
        health === null ? '' : health.ok ? 'ok' : 'FAILS',
        untestedAgainstTheRealService ? 'untested against the real service' : (health?.detail ?? ''),
      ])
      output.result(found, table(['kind', 'serves', 'health', 'remarks'], rows))
      return found.some(({ health }) => health?.ok === false) ? 1 : 0
    }),
  )

  const shares = new Command('shares')
    .description('have the keyring opened by any so many of the holders of shares; shows the shares, once')
    .requiredOption('--threshold <number>', 'how many are needed, 2 or more', wholeNumber)
    .requiredOption('--of <number>', 'how many there are, 16 at most', wholeNumber)
    .option('--yes', 'without asking, for scripts')
    .action(
      run<{ threshold: number; of: number; yes?: boolean }>(async ({ client, output }, { threshold, of, yes }) => {
        if (yes !== true) await confirmed(output, SHARES_WARNING, 'shares')
        const { makeShares } = await import('#trust/keys')
        const { secret, set, texts } = makeShares({ threshold, of })
        // Shown before they count: what is done when the answer is lost can be opened by what is on the screen.
        output.result({ ...set, shares: texts }, texts.map((text, at) => `share ${at + 1} of ${of}\n${text}`).join('\n'))
        try {
          await client.call('/keys/root', { method: 'POST', json: { secret: Buffer.from(secret).toString('base64url'), shares: set } })
        } catch (thrown) {
          const unapproved = thrown instanceof RedoubtError && thrown.code === 'ERR_APPROVAL_REQUIRED'
          if (unapproved)
            output.note('These shares open nothing: throw them away. Once another person has agreed, run this again for new ones.')
          else output.note('Keep these shares and what opened the keyring before, until this command succeeds: either may open it now.')
          throw thrown
        } finally {
          secret.fill(0)
        }
        output.note(
          'Any ' +
            String(threshold) +
            ' of these open the keyring. Say `keys.unseal: shamir` in redoubt.yaml, and take `passphrase:` away.',
        )
      }),
    )

  const unseal = new Command('unseal')
    .description('give a share to a sealed server on this host')
    .option('--share-from <reference>', 'where the share is, `file:PATH` or `env:NAME`; asked for unless given')
    .action(
      run<{ shareFrom?: string }>(async ({ output, place }, { shareFrom }) => {
        const share = shareFrom === undefined ? await hiddenLine(output, 'Your share (it is not shown):') : await secretOf(shareFrom)
        // A slip of the fingers is told here, before anything is sent.
        const { readShare } = await import('#trust/keys')
        readShare(share)
        const state = await give(join(place.dataDir, UNSEAL_SOCKET), share)
        output.result(
          state,
          state.open ? 'the keyring is open; the server starts' : `${state.given} of ${state.threshold} shares are given`,
        )
      }),
    )

  const passphrase = new Command('passphrase')
    .description('have the keyring opened by another passphrase')
    .requiredOption('--from <reference>', 'where the new passphrase is, `file:PATH` or `env:NAME`')
    .action(
      run<{ from: string }>(async ({ client, output }, { from }) => {
        const answer = await client.call('/keys/root', { method: 'POST', json: { passphrase: await secretOf(from) } })
        output.result(
          answer,
          'the new passphrase opens the keyring, and the one before does not; name it in `passphrase:` before the next start',
        )
      }),
    )
  return [providers, shares, unseal, passphrase]
}

type Given = Unsealing & { readonly open: boolean }

/** One line to the sealed server, one line back. */
async function secretOf(reference: string): Promise<string> {
  const { resolveSecret } = await import('#foundation/config')
  return resolveSecret(reference)
}

async function give(path: string, share: string): Promise<Given> {
  const text = await new Promise<string>((resolve, reject) => {
    let answer = ''
    const socket = connect(path, () => void socket.write(`${JSON.stringify({ share })}\n`))
    socket.setEncoding('utf8')
    socket.setTimeout(ANSWER_TIMEOUT_MS, () =>
      socket.destroy(new RedoubtError('ERR_SERVER_UNREACHABLE', 'the sealed server does not answer')),
    )
    socket.on('data', (part: string) => {
      answer += part
      if (answer.length > MAX_ANSWER_BYTES) socket.destroy(new RedoubtError('ERR_SERVER_UNREACHABLE', 'what answers is no sealed server'))
    })
    socket.on('end', () => resolve(answer))
    socket.on('error', (cause: NodeJS.ErrnoException) =>
      reject(
        cause instanceof RedoubtError
          ? cause
          : new RedoubtError('ERR_SERVER_UNREACHABLE', `no sealed server waits at \`${path}\` (${cause.code ?? 'unknown error'})`, {
              cause,
            }),
      ),
    )
  })
  const { error, ...state } = parseStrictJsonText(text, { maxBytes: MAX_ANSWER_BYTES, maxDepth: 3 }) as unknown as Given & {
    readonly error?: { readonly code?: string; readonly detail?: string }
  }
  if (error === undefined) return state
  const code = Object.hasOwn(ERROR_TABLE, error.code ?? '') ? (error.code as ErrorCode) : 'ERR_KEYS_SHARE'
  throw new RedoubtError(code, error.detail)
}
