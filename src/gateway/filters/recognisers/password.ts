import { WordParts } from '../context-words.ts'
import { everyMatch } from '../every-match.ts'
import { type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'
import { SHAPE } from '../outline.ts'

const SCORE = 0.7
const SHORTEST = 4
const LONGEST = 128
const NOTHING: readonly Match[] = []
const LABELS = String.raw`(?:passwords?|passwd|passphrase|passcode|passwort|kennwort|pwd|pw|pass|mot\sde\spasse|mdp|contraseña|contrasena|clave|wachtwoord|senha|hasło|haslo|parola|parolă|lösenord|salasana|adgangskode|passord|heslo|jelszó|şifre|пароль|pin)`
const OPENING = String.raw`(?:<[a-z]{1,8}>)?["'\x60(]{0,2}$`
/** Directly before it, in the languages of the other context words: `password: …`, `"pwd":"…"`, `her password is …`, `user@host / …` is not one. */
const NAMED = new RegExp(
  String.raw`(?<![\p{L}\p{N}])(?:[\p{L}\p{N}]{1,16}[_-]){0,2}${LABELS}(?:s|es)?["'\x60]{0,2}(?:\s{0,2}(?:[:=]|=>|:=|->)\s{0,2}|\s(?:is|was|ist|est|es|è|é|to|as|of|lautet|(?:was|is|has\sbeen)\s(?:set|reset|changed)\sto|(?:will|should)\sbe)[:]?\s|\s{1,2}|<\/[a-z]{1,8}>\s?)${OPENING}`,
  'u',
)
/** The element of a document that holds one: `<password>…</password>`, `<ns:dbPassword>…`. */
const ELEMENT = new RegExp(String.raw`<(?:[\p{L}\d._-]{1,24}:)?[\p{L}\d._-]{0,24}${LABELS}>["']?$`, 'u')
/** Behind the name of a user: `curl -u bob:…`, `credentials: bob / …`. */
const BEHIND_USER =
  /(?<![\p{L}\p{N}])(?:(?:curl|wget)(?:\s[^\s]{1,24}){0,3}\s(?:-u|--user|--proxy-user)[\s=]["']?[^\s:"']{1,32}:|(?:credentials?|creds|login|logon|zugangsdaten|anmeldedaten|identifiants|credenciales|credenziali|inloggegevens)(?:\s(?:is|are|ist|sind|sont|son|sono|zijn))?\s?:?\s["']?[\p{L}\d._@-]{2,32}\s?[:/|]\s?)["']?$/u
/** With words between it and the label, in which a date or a version might as well be meant: `the password for online banking is …`, `Zugangskennwort: …`. */
const NAMED_LOOSELY = new RegExp(
  String.raw`(?<![\p{L}\p{N}])(?:\p{L}{1,16})?${LABELS}(?:\s[\p{L}'’-]{1,16}){0,4}(?:\s?(?:[:=#|]|->)\s?|\s(?:n[or]\.|is|was|ist|est|es|è|é|lautet|to|be)[:]?\s)${OPENING}`,
  'u',
)
/** Behind it and what closes it: `"…" as the password`, `… is my new password`. */
const LABEL_AFTER =
  /^["'`)\]”’»]{0,2} (?:is|was|as|ist|als|est|es|è|é|jest) (?:(?:the|my|your|his|her|our|their|das|mein|ihr|sein|unser|le|mon|votre|son|la|su|mi|tu|minha|sua|het|mijn|uw) )?(?:(?:new|old|temporary|initial|default|current|neue|nouveau|nueva|nuova|nova) )?(?:password|passphrase|passcode|passwort|kennwort|mot de passe|mdp|contraseña|clave|wachtwoord|(?:a )?senha|hasło|parola|lösenord)(?!\p{L})/iu
/** Most texts have none of these. */
const HINT =
  /curl|wget|cred|login|logon|zugang|anmelde|identifiants|inlogg|pass|pwd|pw|kennw|mdp|contrase|clave|wachtw|senha|has[lł]o|parol|lösen|salas|adgang|heslo|jelsz|şifre|пароль|pin/iu
/** The same for a text in ASCII, at a fraction of the cost: parts of words, by their first two units. */
const ASCII_HINTS = new WordParts(
  'curl wget cred login logon zugang anmelde identifiants inlogg pass pwd pw kennw mdp contrase clave wachtw senha haslo parola salas adgang heslo pin'.split(
    ' ',
  ),
)
const UNREAL =
  /^(?:<.*|\*+|\$\{?.*|x{3,}.*|your.*|example.*|changeme.*|null|none|true|false|undefined|n\/a|required|.*\.(?:length|value|trim|hash).*|process\.env.*|u?int8array|arraybuffer|string|os\.environ.*)$/iu

const WORDS = /[^\s,()]{4,128}/gu

const kindsIn = (word: string): number => [/\p{Ll}/u, /\p{Lu}/u, /\d/u, /[^\p{L}\d]/u].filter((kind) => kind.test(word)).length

/** How a secret differs from a word: a digit or a sign among letters, or capital letters inside. */
function isRandom(word: string): boolean {
  const kinds = kindsIn(word)
  return word.length >= SHORTEST && (kinds >= 3 || (kinds === 2 && (/\d/u.test(word) || /[!#$&*?^~@%]/u.test(word))))
}

/** Where less is said of it: no number, no version, no name of a file or a host. */
function isStrong(word: string): boolean {
  return word.length >= SHORTEST_STRONG && kindsIn(word) >= 3 && /\p{L}/u.test(word) && /[\d!#$%&*?@^~]/u.test(word) && !PLAIN.test(word)
}
const SHORTEST_STRONG = 6
/** Words and numbers with dots, dashes and slashes between them, and amounts: `12.5ms`. */
const PLAIN = /^[\d.,]+\p{L}{1,3}$|^(?:\p{Lu}?\p{Ll}+|\p{Lu}+|\d+|v\d+)(?:[-._/:](?:\p{Lu}?\p{Ll}+|\p{Lu}+|\d+))+$/u

function find(segment: Segment): readonly Match[] {
  const { text } = segment
  if (!(segment.isAscii ? ASCII_HINTS.standIn(segment) : HINT.test(segment.whole))) return beforeLabel(segment)
  const matches: Match[] = []
  for (const { 0: word, index } of everyMatch(WORDS, text)) {
    const quotes = /^["'`*]*/u.exec(word)![0].length
    const at = word.search(/(?<=[=:#>])[^=:#<>]/u)
    // `password=secret` and `<password>secret` are one word; the secret begins behind the sign.
    for (const start of at > 0 ? [index + quotes, index + at] : [index + quotes]) {
      const context = segment.context(start)
      const isElement = ELEMENT.test(context)
      const isNamed = isElement || NAMED.test(context)
      if (!isNamed && !NAMED_LOOSELY.test(context) && !BEHIND_USER.test(context)) continue
      const written = text.slice(start, Math.min(index + word.length, start + LONGEST))
      const rest = isElement ? written.split('</', 1)[0]! : written
      const value = valueOf(rest)
      if ((isNamed ? isRandom(value) : isStrong(value)) && !UNREAL.test(value))
        matches.push({ start, end: start + value.length, score: SCORE })
    }
  }
  return matches.length > 0 ? matches : beforeLabel(segment)
}

/** Without the end of the sentence. */
const valueOf = (rest: string): string => rest.replace(/(?:[;.'"`)&]|[!?](?=$))+$/u, (tail) => (/^[!?]+$/u.test(tail) ? tail : ''))

/** The last word of a segment, which a label behind it may announce. */
function beforeLabel({ text }: Segment): readonly Match[] {
  let end = text.length
  while (end > 0 && text.length - end < 2 && CLOSING.has(text.charCodeAt(end - 1))) end--
  let start = end
  let kinds = 0
  for (; start > 0 && end - start <= LONGEST_LAST; start--) {
    const kind = kindOf(text.charCodeAt(start - 1))
    if (kind === STOP) break
    kinds |= kind
  }
  const word = end - start < SHORTEST_STRONG || end - start > LONGEST_LAST || !SEVERAL.has(kinds) ? '' : text.slice(start, end)
  if (word === '' || !isStrong(word) || UNREAL.test(word)) return NOTHING
  const rest = text.slice(end)
  return [{ start, end, score: 0, resolve: ({ text: after }) => (LABEL_AFTER.test(rest + after) ? [{ score: SCORE }] : []) }]
}

const LONGEST_LAST = 64
/** Quotes and brackets. */
const CLOSING: ReadonlySet<number> = new Set(Array.from('"\'`)”’', (sign) => sign.charCodeAt(0)))
const STOP = 0
const [SMALL, CAPITAL, DIGIT, SIGN] = [1, 2, 4, 8]
/** Three kinds and more. */
const SEVERAL: ReadonlySet<number> = new Set([7, 11, 13, 14, 15])

function kindOf(unit: number): number {
  if (unit >= 0x61 && unit <= 0x7a) return SMALL
  if (unit >= 0x30 && unit <= 0x39) return DIGIT
  if (unit >= 0x41 && unit <= 0x5a) return CAPITAL
  if (unit <= 0x20 || unit === 0x2c || unit === 0x28 || CLOSING.has(unit)) return STOP
  // Beyond ASCII, a letter is of both kinds: the word is looked at as a whole yet.
  return unit < 0x80 ? SIGN : SMALL | CAPITAL | SIGN
}

/** What a word like `password` announces, if it does not look like a word. Passwords of small letters alone are not told from words. */
export const password: Recogniser = { entities: ['PASSWORD'], needs: TRAIT.digit | TRAIT.sign | TRAIT.at, shapes: SHAPE.mixed, find }
