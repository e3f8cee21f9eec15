import { type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'
import { SHAPE } from '../outline.ts'

const SCORE = 0.7
const SHORTEST = 4
const LONGEST = 128
const NOTHING: readonly Match[] = []
/** Directly before it, in the languages of the other context words: `password: …`, `"pwd":"…"`, `her password is …`, `user@host / …` is not one. */
const NAMED =
  /(?<![\p{L}\p{N}])(?:[\p{L}\p{N}]{1,16}[_-]){0,2}(?:passwords?|passwd|passphrase|passcode|passwort|kennwort|pwd|pass|mot\sde\spasse|mdp|contraseña|contrasena|clave|wachtwoord|senha|hasło|haslo|parola|lösenord|salasana|adgangskode|şifre|пароль|pin)(?:s|es)?["'`]{0,2}(?:\s{0,2}(?:[:=]|=>|:=|->)\s{0,2}|\s(?:is|was|ist|est|es|è|to|as|of|was\sset\sto|is\sset\sto|lautet)[:]?\s|\s{1,2}|<\/[a-z]{1,8}>\s?)(?:<[a-z]{1,8}>)?["'`(]{0,2}$/u
/** Most texts have none of these. */
const HINT = /pass|pwd|kennw|mdp|contrase|clave|wachtw|senha|has[lł]o|parola|lösen|salas|adgang|şifre|пароль|pin/iu
/** The same for a text in ASCII and in small letters, at a fraction of the cost. */
const ASCII_HINT = /pass|pwd|kennw|mdp|contrase|clave|wachtw|senha|haslo|parola|salas|adgang|pin/
const UNREAL =
  /^(?:<.*|\*+|\$\{?.*|x{3,}.*|your.*|example.*|changeme.*|null|none|true|false|undefined|n\/a|required|.*\.(?:length|value|trim|hash).*|process\.env.*|u?int8array|arraybuffer|string|os\.environ.*)$/iu

/** How a secret differs from a word: a digit or a sign among letters, or capital letters inside. */
function isRandom(word: string): boolean {
  const kinds = [/\p{Ll}/u, /\p{Lu}/u, /\d/u, /[^\p{L}\d]/u].filter((kind) => kind.test(word)).length
  return word.length >= SHORTEST && (kinds >= 3 || (kinds === 2 && (/\d/u.test(word) || /[!#$&*?^~@%]/u.test(word))))
}

function find(segment: Segment): readonly Match[] {
  const { text } = segment
  if (!(segment.isAscii ? ASCII_HINT.test(segment.wholeInSmallLetters) : HINT.test(segment.whole))) return NOTHING
  const matches: Match[] = []
  for (const { 0: word, index } of text.matchAll(/[^\s,()]{4,128}/gu)) {
    const quotes = /^["'`*]*/u.exec(word)![0].length
    const at = word.search(/(?<=[=:])[^=:]/u)
    // `password=secret` is one word; the secret begins behind the sign.
    for (const start of at > 0 ? [index + quotes, index + at] : [index + quotes]) {
      if (!NAMED.test(segment.context(start))) continue
      const rest = text.slice(start, Math.min(index + word.length, start + LONGEST))
      const value = rest.replace(/(?:[;.'`)&]|[!?](?=$))+$/u, (tail) => (/^[!?]+$/u.test(tail) ? tail : ''))
      if (isRandom(value) && !UNREAL.test(value)) matches.push({ start, end: start + value.length, score: SCORE })
    }
  }
  return matches
}

/** What a word like `password` announces, if it does not look like a word. Passwords of small letters alone are not told from words. */
export const password: Recogniser = { entities: ['PASSWORD'], needs: TRAIT.digit | TRAIT.sign | TRAIT.at, shapes: SHAPE.mixed, find }
