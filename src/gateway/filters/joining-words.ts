import type { UnitWindow } from './unit-window.ts'
import { WordFilter } from './word-filter.ts'

/**
 * Words in small letters that stand inside values of several words, `4 de marzo de 2024`, `12 rue de la Paix`, `45 years old`: only these
 * (and words with a capital letter) join on to a segment after a space. Also the vocabularies of the recognisers that read such values.
 */
const words = (text: string): readonly string[] => text.trim().split(/\s+/u)

/** Names of months, whole and short, in small letters without marks, by number. */
const MONTH_NAMES: readonly (readonly string[])[] = [
  words('january jan januar janner jan janvier janv enero ene gennaio gen januari janeiro stycznia styczen ledna leden januarie ianuarie tammikuuta ocak января янв'),
  words('february feb februar fevrier fev febrero febbraio februari fevereiro lutego luty unora unor februarie helmikuuta subat февраля фев'),
  words('march mar marz maerz mars marzo maart mrt marco marca marzec brezna brezen martie maaliskuuta mart марта'),
  words('april apr avril avr abril abr aprile kwietnia kwiecien dubna duben aprilie huhtikuuta nisan апреля апр'),
  words('may mai mayo maggio mag mei maio maja maj kvetna kveten toukokuuta mayis мая'),
  words('june jun juni juin junio giugno giu junho czerwca czerwiec cervna cerven iunie kesakuuta haziran июня'),
  words('july jul juli juillet juil julio luglio lug julho lipca lipiec cervence cervenec iulie heinakuuta temmuz июля'),
  words('august aug aout agosto ago augustus augusti sierpnia sierpien srpna srpen elokuuta agustos августа авг'),
  words('september sept sep septembre septiembre settembre set setembro wrzesnia wrzesien zari septembrie syyskuuta eylul сентября сент'),
  words('october oct oktober okt octobre octubre ottobre ott outubro out pazdziernika pazdziernik rijna rijen octombrie lokakuuta ekim октября окт'),
  words('november nov novembre noviembre novembro listopada listopad listopadu noiembrie marraskuuta kasim ноября нояб'),
  words('december dec dezember dez decembre diciembre dic dicembre dezembro grudnia grudzien prosince prosinec decembrie joulukuuta aralik декабря дек'),
] // prettier-ignore

/** Number of the month, 1 to 12, by its name. */
export const MONTHS: ReadonlyMap<string, number> = new Map(MONTH_NAMES.flatMap((names, i) => names.map((name) => [name, i + 1] as const)))

/** Between the parts of a date or of a street's name. */
export const CONNECTORS: ReadonlySet<string> = new Set(
  words("de del della delle dei di da do dos das du des d' la le les l' los las el al van der den ter ten von zu zum zur am im an of the y e et und st bis"),
) // prettier-ignore

/** Kinds of street that stand before the name: `rue`, `calle`, `via`, `ul.` */
export const STREETS_BEFORE: ReadonlySet<string> = new Set(
  words(
    'rue avenue av av. ave boulevard bd bd. blvd place pl pl. impasse allee allees chemin quai cours route square passage calle c/ cl avenida avda avda. plaza pza paseo carrer carretera camino via viale piazza corso vicolo largo strada rua r. travessa praca alameda estrada ul ul. ulica aleja al. os. strada str. calea bulevardul ronda glorieta travesia callejon prolongacion calzada privada voie sentier contrada rotonda salita rodovia beco bulw rondo aleea soseaua intrarea lotissement cite montee hameau residence esplanade faubourg str',
  ),
) // prettier-ignore

/** Kinds of street that stand behind the name: `Road`, `St.` */
export const STREETS_AFTER: ReadonlySet<string> = new Set(
  words(
    'street st st. road rd rd. avenue ave ave. av boulevard blvd blvd. lane ln ln. drive dr dr. court ct ct. place pl pl. square sq sq. terrace ter terr way highway hwy parkway pkwy pky circle cir cir. trail trl close crescent cres grove gardens gdns mews row walk hill rise view plaza loop alley aly run path pike turnpike expressway freeway junction crossing ridge park plains point shore shores spring springs station stravenue summit track trace tunnel union valley viaduct village ville vista extension ext falls ferry field fields flat flats ford fords forest forge fork forks fort garden gateway glen glens green greens harbor harbors haven heights hollow inlet island islands isle key keys knoll knolls lake lakes landing light lights lock locks lodge manor manors meadow meadows mill mills mission motorway mount mountain mountains neck orchard oval overpass pine pines port ports prairie radial ramp ranch rapids rapid rest river roads route shoal shoals skyway spur spurs streets throughway trafficway tunnel underpass unions valleys walks wall ways well wells bridge brook brooks burg burgs bypass camp canyon cape causeway center centers centre cliff cliffs club common commons corner corners course courts cove coves creek crest crossroad curve dale dam divide drives estate estates bayou beach bend bluff bluffs bottom branch burg parade esplanade quay wharf',
  ),
) // prettier-ignore

/** Ends of words that are a street's name: `Hauptstraße`, `Kalverstraat`, `Storgatan`. Without marks, small letters. */
const STREET_SUFFIX =
  /^[a-z'-]{2,40}(?:strasse|str\.?|straat|weg|gasse|platz|allee|(?<![aeiouyp]|[aiu]r|fer|^st)ring|damm|ufer|graben|steig|chaussee|laan|plein|gracht|kade|dijk|singel|gatan|gata|vagen|gade|vej|alle|veien|gaten|katu|tie|kuja|polku|vei|stien|stigen|siedlung|plantsoen|steeg|utca|ulica|street)$/u

/** After a number of years: an age. */
export const AGE_UNITS: ReadonlySet<string> = new Set(
  words('years year yrs yr yo y/o y.o. y.o years-old year-old yr-old jahre jahren jahriger jahrige jahrigen jahr ans anos ano anni jaar jaren lat letni letnia letniego year-olds ar vuotta jarig jarige old alt ages'),
) // prettier-ignore

/** After the hour. */
export const HOUR_UNITS: ReadonlySet<string> = new Set(words("am pm a.m. p.m. a.m p.m uhr o'clock utc gmt cet cest est edt pst pdt"))

/** Inside an address, in small letters. */
const ADDRESS_PARTS = words('apt apt. apartment suite ste ste. unit floor fl fl. flat room building bldg bldg. no. nr nr. n° numero piso esc bajo izq dcha bte box po p.o. street-level lgh m. lok. lok kv interno int int. scala north south east west ne nw se sw n s w') // prettier-ignore

const JOINING: ReadonlySet<string> = new Set([
  ...MONTHS.keys(),
  ...CONNECTORS,
  ...STREETS_BEFORE,
  ...STREETS_AFTER,
  ...AGE_UNITS,
  ...HOUR_UNITS,
  ...ADDRESS_PARTS,
])
const LONGEST = 24

/** Small letters without marks: `Février` is `fevrier`. Same length or shorter; not for offsets. */
export function plainForm(word: string): string {
  const lower = word.toLowerCase()
  // oxlint-disable-next-line no-control-regex -- the first 128 code points are what is meant
  if (!/[^\u0000-\u007f]/.test(lower)) return lower
  return lower
    .replaceAll('ß', 'ss')
    .replaceAll('ł', 'l')
    .replaceAll('ø', 'o')
    .replaceAll('ı', 'i')
    .normalize('NFD')
    .replaceAll(/\p{M}/gu, '')
}

const joiningFilter = new WordFilter([...JOINING].flatMap((word) => [word, `${word}.`]))

/** `; ! ? )`, which end what a word stands in. */
const isEndSign = (unit: number): boolean => unit === 0x3b || unit === 0x21 || unit === 0x3f || unit === 0x29

/**
 * Whether the word of a text (without its comma, maybe with a dot or other signs behind it) joins on to the value before it.
 * @param window holds the text too, and is what is read where the word `isAscii`.
 */
export function joinsAt(text: string, window: UnitWindow, from: number, to: number, isAscii: boolean): boolean {
  return isJoiningWordAt(text, window, from, endOfWord(window, from, to), isAscii)
}

/** Whether the word of a text, maybe with such signs behind it, is a kind of street that stands before the name. */
export function isStreetKindAt(text: string, window: UnitWindow, from: number, to: number, isAscii: boolean): boolean {
  const end = endOfWord(window, from, to)
  if (isAscii && !streetFilter.mayHold(window.units, window.base + from, window.base + end)) return false
  return STREETS_BEFORE.has(text.slice(from, end))
}

function endOfWord({ units, base }: UnitWindow, from: number, to: number): number {
  let end = base + to
  while (end > base + from && isEndSign(units[end - 1]!)) end--
  return end - base
}

/** The same for a word without such signs. */
export function isJoiningWordAt(text: string, { units, base }: UnitWindow, from: number, to: number, isAscii: boolean): boolean {
  return isAscii ? joiningFilter.holds(units, base + from, base + to) : isJoiningWord(text.slice(from, to))
}

function isJoiningWord(word: string): boolean {
  if (word.length > LONGEST) return false
  const plain = plainForm(word)
  return JOINING.has(plain) || (plain.endsWith('.') && JOINING.has(plain.slice(0, -1)))
}

/** Last three letters of every `STREET_SUFFIX`: the expression is asked only where they stand. */
const SUFFIX_ENDS: ReadonlySet<string> = new Set(
  words(
    'sse str tr. aat weg atz lee ing amm fer ben eig see aan ein cht ade ijk gel tan ata gen vej lle ien ten atu tie uja lku vei ung oen eeg tca ica eet',
  ),
)
const SHORTEST_SUFFIX = 3

export function isStreetName(plain: string): boolean {
  return SUFFIX_ENDS.has(plain.slice(-SHORTEST_SUFFIX)) && STREET_SUFFIX.test(plain)
}

/** The same for a word in ASCII that stands at some units. */
export function isStreetNameAt(text: string, units: Uint16Array, base: number, from: number, to: number): boolean {
  return suffixFilter.mayHold(units, base + to - SHORTEST_SUFFIX, base + to) && isStreetName(text.slice(from, to).toLowerCase())
}

const STREET_WORDS: readonly string[] = [...STREETS_BEFORE, ...STREETS_AFTER]
const streetFilter = new WordFilter(STREET_WORDS.flatMap((word) => [word, `${word}.`]))
const suffixFilter = new WordFilter([...SUFFIX_ENDS].flatMap((end) => [end, `${end}.`]))

/** Whether the word of a text says that a postal address is being written, whose next line belongs to it. */
export function isStreetWordAt(text: string, { units, base }: UnitWindow, from: number, to: number, isAscii: boolean): boolean {
  if (isAscii) {
    const ending = to - SHORTEST_SUFFIX - (to > from && units[base + to - 1] === 0x2e ? 1 : 0)
    const hasSuffix = ending >= from && suffixFilter.mayHold(units, base + ending, base + to)
    if (!hasSuffix) return streetFilter.holds(units, base + from, base + to)
  }
  return isStreetWord(text.slice(from, to))
}

/** @returns false only if the word of a text in ASCII is none, dots left out. */
export function mayBeStreetWord(units: Uint16Array, from: number, to: number): boolean {
  return streetFilter.mayHold(units, from, to) || suffixFilter.mayHold(units, Math.max(from, to - SHORTEST_SUFFIX), to)
}

function isStreetWord(word: string): boolean {
  const form = plainForm(word)
  const plain = form.endsWith('.') ? form.slice(0, -1) : form
  return STREETS_BEFORE.has(plain) || STREETS_AFTER.has(plain) || isStreetName(plain)
}
