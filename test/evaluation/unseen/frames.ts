/**
 * Sentences around single values: `{l}` the word for it, `{v}` the value. The parts share no frame; only `validation` is looked at while recognisers are mended. `later` was
 * written when the mending by `validation` was over, and nothing was mended by it.
 */
export type Part = 'validation' | 'test' | 'later'

interface Frames {
  /** With nothing that says what the value is. */
  readonly bare: readonly string[]
  readonly named: readonly string[]
}

export const FRAMES: Readonly<Record<Part, Frames>> = {
  validation: {
    bare: ['{v}', '({v})', 'I wrote {v} down twice.', '"{v}"', 'Re: {v}, thanks', 'first\n{v}\nlast'],
    named: [
      '{l}: {v}',
      'my {l} is {v}',
      '{l} {v}',
      'Please note that her {l} ({v}) has changed.',
      'We hold "{v}" as the {l} on file.',
      'Ticket opened.\n{l}:\t{v}\nKind regards',
      '{"{l}": "{v}", "open": true}',
      '- {l} = {v};',
      '<li>{l}: <b>{v}</b></li>',
    ],
  },
  test: {
    bare: [' {v} ', '[{v}]', 'They sent {v}.', "'{v}'", 'see below: {v}!', 'a | {v} | b'],
    named: [
      'this is the {l}: {v}.',
      '{l}={v}',
      'Could you verify {l} #{v} for me?',
      '{v} is the {l} you asked for',
      '<td>{l}</td><td>{v}</td>',
      '| {l} | {v} |',
      '{l} no. {v}; it is wanted today',
      'Hello,\n\nthe {l} of our client: {v}\n\nBest',
    ],
  },
  later: {
    bare: ['{v}.', '«{v}»', 'Thanks – {v} – bye', 'a copy of {v} is attached', 'Subject: {v}', '> {v}\n> quoted'],
    named: [
      'According to our files the {l} is {v}.',
      '{l} ({v})',
      'Please update {l} to {v} today',
      '{l};{v};ok',
      '"{l}" : "{v}"',
      '**{l}:** {v}',
      'her {l}, {v}, was entered by hand',
      '{l}\n{v}',
      'Re: {l} {v} (urgent)',
    ],
  },
}

/** Texts that hold nobody's values. `9` is a digit, `A` a capital letter, `f` a hexadecimal one; those outside braces stay. */
export const HARMLESS: Readonly<Record<Part, readonly string[]>> = {
  validation: [
    'Version {9.99.9} replaces {9.9.9-99}.',
    'Upgrade to v{9}.{99}.{9}.{9999} today',
    'order {999999999} was shipped',
    'Invoice {9999999999} is paid',
    'ISO 9001:2015 and IEC 6{9999}-1-2',
    'sum = {999999}.{99999999}',
    'chapter {9}.{9}.{9}, page {999}',
    'a score of {9}-{9} after {99} minutes',
    'commit {ffffffffffffffffffffffffffffffffffffffff}',
    'part AX-{9999}-{99}',
    '{999} of {9999} rows, {99.9} %',
    'the ratio was {9}:{9}',
    'ticket ABC-{99999}',
    'room {999}, floor {9}',
    '{99,999,999} inhabitants',
    '$ {9,999,999.99} in sales',
    'coordinates {99.999999}, {99.999999}',
    'x = {9999999999999999}n',
    'ISBN 978-3-16-{999999}-{9}',
    'serialised as {ffffffff}-{ffff}-4{fff}-a{fff}-{ffffffffffff}',
    'port {99999} and uid {9999}',
    'model A{999}-{99}B',
    '{9} x {99} x {999} mm',
    'timestamp {9999999999999}',
    'bytes {999999999} to {999999999}',
    'https is slow', 'Python 3.{99}.{9}', 'A4 paper, 80 g', 'the 1990s and the 20th century', 'he is 1st, she is 22nd',
  ],
  test: [
    'Release {99.9.9} fixes bug {99999}.',
    'reference {999999999}/{99}',
    'tracking number {999999999999}',
    'job {99999999} done in {999} ms',
    'RFC {9999}, section {9.9.9}',
    'pi is 3.14159265{99999999}',
    'figure {9}.{9} and table {99}',
    'they won {9}:{9} in extra time',
    'sha1 {ffffffffffffffffffffffffffffffffffffffff}',
    'screw M{9}x{99}, DIN {9999}',
    'about {9,999} of {99,999} people',
    'issue #{99999}',
    'gate B{99}, seat {99}F',
    '{999 999 999} km away',
    'EUR {99.999,99} net',
    'position {9.99999}/-{9.99999}',
    'constant {99999999999999999999}',
    'barcode {9999999999999}',
    'id {ffffffff}-{ffff}-4{fff}-b{fff}-{ffffffffffff}',
    'pid {99999} exited with {9}',
    'type XJ{99}-{999}',
    'a pack of {99} pieces, {999} g each',
    'epoch {9999999999}.{999}',
    'lines {9999}-{9999}',
    'node 24.{99}.{9}', 'B2B and 24/7 support', 'covid-19 in the 2020s', 'an e-mail or a phone call will do', 'the chapter on IP addresses', 'top 10 of 100',
  ],
  later: [
    'build {9999}.{99} is green',
    'lot {999999}, shelf {99}',
    'SKU {9999}-{999}',
    'purchase order {99999999}',
    'bus {999} leaves at gate {9}',
    'ISBN {9999999999}',
    'a grid of {99}x{99} points',
    'flight LH{999} from gate A{99}',
    'standard DIN EN {9999}-{9}',
    'parcel {9999999999999999}',
    'case C-{999}/{99}',
    'meter reading {999999}',
    'it was {99.9} degrees, {9.9} more than usual',
    '{99} % of {9999} samples',
    'blob {ffffffff}',
    'a card with {99} GB',
    'resistor {99}k, {9} %',
    'build id {ffffffff-ffff-ffff}',
    'rows {99999} to {99999}',
    'we sold {9,999} units for {9.99} each',
    'the 12th of 30 talks', 'a 5-star hotel', 'H2O and CO2', 'the password was forgotten', 'his passport is lost', 'an account of the war', 'age before beauty', 'the address book',
  ],
} // prettier-ignore
