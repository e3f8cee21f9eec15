import { everyMatch } from './every-match.ts'
import { signBit } from './outline.ts'
import type { Match, Segment } from './recogniser.ts'

const SCORE = 0.9

/** A secret that is known by its shape, or by what it stands in; the expression matches the secret alone. */
export interface CredentialShape {
  readonly what: string
  readonly pattern: RegExp
  /** Look for the expression only where this stands: it costs a hundredth. */
  readonly hint: string
  /** Units of the shortest text that it matches, with what the secret stands in. */
  readonly least: number
}

export const CREDENTIAL_SHAPES: readonly CredentialShape[] = [
  // RFC 3986 §3.2.1: `postgres://user:secret@host`.
  { what: 'URL with user and password', least: 11, hint: '://', pattern: /(?<=[a-z][a-z0-9+.-]{1,24}:\/\/[^\s:@/]{0,64}:)[^\s:@/]{3,128}(?=@[\p{L}\p{N}[])/giu },
  { what: 'Azure account key', least: 31, hint: 'Key=', pattern: /(?<=(?:AccountKey|SharedAccessKey)=)[A-Za-z0-9+/=]{20,120}/gu },
  { what: 'Azure shared access signature', least: 25, hint: 'sig=', pattern: /(?<=[?&]sig=)[A-Za-z0-9%+/=]{20,120}/gu },
  { what: 'connection string', least: 7, hint: '=', pattern: /(?<=(?:;|^)(?:Password|PWD|Pwd|password|pwd)=)[^\s;"'&]{3,128}/gu },
  { what: 'Microsoft Entra', least: 37, hint: 'Q~', pattern: /(?<![\w~.-])[\w~.-]{3}\dQ~[\w~.-]{31,34}(?![\w~-])/gu },
  { what: 'Azure DevOps', least: 84, hint: 'AZDO', pattern: /(?<!\w)[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}(?!\w)/gu },
  { what: 'Telegram', least: 44, hint: ':AA', pattern: /(?<![\w:])\d{8,10}:AA[\w-]{33}(?![\w-])/gu },
  { what: 'Discord', least: 59, hint: '.', pattern: /(?<![\w.-])[MNO][A-Za-z\d_-]{23,27}\.[\w-]{6}\.[\w-]{27,38}(?![\w-])/gu },
  { what: 'Slack webhook', least: 45, hint: 'hooks.slack.com/', pattern: /(?<=hooks\.slack\.com\/(?:services|workflows|triggers)\/)[\w/-]{20,80}/gu },
  { what: 'Microsoft Teams webhook', least: 69, hint: 'webhook.office.com/', pattern: /(?<=webhook\.office\.com\/webhookb2\/)[\w@/-]{40,200}/gu },
  { what: 'Discord webhook', least: 90, hint: '/api/webhooks/', pattern: /(?<=\/api\/webhooks\/)\d{15,20}\/[\w-]{60,70}/gu },
  { what: 'Terraform Cloud', least: 83, hint: '.atlasv1.', pattern: /(?<!\w)[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,70}/gu },
  { what: 'Mailchimp', least: 36, hint: '-us', pattern: /(?<!\w)[0-9a-f]{32}-us\d{1,2}(?!\w)/gu },
  { what: 'Asana', least: 50, hint: '/', pattern: /(?<![\w/])[12]\/\d{15,16}(?:\/\d{15,16})?:[0-9a-f]{32}(?!\w)/gu },
  { what: 'Firebase Cloud Messaging', least: 146, hint: 'AAAA', pattern: /(?<!\w)AAAA[\w-]{7}:[\w-]{134,160}/gu },
  { what: 'Zoho', least: 70, hint: '1000.', pattern: /(?<![\w.])1000\.[0-9a-f]{32}\.[0-9a-f]{32}(?!\w)/gu },
  { what: 'Salesforce', least: 76, hint: '00D', pattern: /(?<!\w)00D[A-Za-z0-9]{12}![\w.]{60,120}/gu },
  { what: 'Braintree', least: 70, hint: 'access_token$', pattern: /(?<!\w)access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}(?!\w)/gu },
] // prettier-ignore

/** What stands for a secret that is not told. */
const UNREAL = /^(?:<.*>|\*+|\$\{?.*|x{3,}|pass|passwd|password|changeme|secret|\.{3,}|%s|\{.*\})$/iu

/** Of each hint, the bit of a sign in it; all bits where it has none. */
const SIGNS: readonly number[] = CREDENTIAL_SHAPES.map(({ hint }) => {
  const sign = /[^A-Za-z0-9]/u.exec(hint)
  return sign === null ? -1 : signBit(sign[0])
})
const NOTHING: readonly Match[] = []

/** Signs of hints, and the shortest text that one without any matches. */
const ANY_SIGN = SIGNS.reduce((all, bits) => (bits === -1 ? all : all | bits), 0)
const SHORTEST_WITHOUT = Math.min(...CREDENTIAL_SHAPES.filter((_shape, i) => SIGNS[i] === -1).map(({ least }) => least))

export function credentials({ text, outline: { signs } }: Segment): readonly Match[] {
  if ((signs & ANY_SIGN) === 0 && text.length < SHORTEST_WITHOUT) return NOTHING
  let matches: Match[] | null = null
  for (let i = 0; i < CREDENTIAL_SHAPES.length; i++) {
    if (SIGNS[i] !== -1 && (SIGNS[i]! & signs) === 0) continue
    const { hint, least, pattern } = CREDENTIAL_SHAPES[i]!
    if (text.length < least || !text.includes(hint)) continue
    for (const { 0: secret, index } of everyMatch(pattern, text))
      if (!UNREAL.test(secret)) (matches ??= []).push({ start: index, end: index + secret.length, score: SCORE })
  }
  return matches ?? NOTHING
}
