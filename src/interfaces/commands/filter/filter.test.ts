import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runProgram, withGlobalOptions } from '../program.ts'
import { csvRecords } from './csv.ts'
import { filterCommands } from './filter-commands.ts'
import { decoded, lines, MAX_LINE_BYTES } from './read-lines.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'redoubt-filter-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A file of the folder with these bytes. */
function put(name: string, bytes: string | Buffer): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

async function run(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const program = new Command('redoubt').enablePositionalOptions()
  for (const command of filterCommands()) program.addCommand(command)
  const everywhere = (command: Command): void => {
    withGlobalOptions(command).exitOverride()
    command.commands.forEach(everywhere)
  }
  everywhere(program)
  let out = ''
  let err = ''
  const code = await runProgram(program, ['node', 'redoubt', 'filter', ...args], {
    writeOut: (text) => (out += text),
    writeErr: (text) => (err += text),
  })
  return { code, out, err }
}

describe('filter scan (C6, C9)', () => {
  it('writes one line of spans for each JSON line, in order, with offsets in UTF-16 units, and ends with 0 whatever is found', async () => {
    const file = put('a.jsonl', '{"text":"😀 SSN 521-44-9382"}\n{"text":"nothing"}\n{"text":"\\ud83d jane@example.com","id":7}')
    const { code, out } = await run('scan', '--format', 'jsonl', '--json', file)
    expect(code).toBe(0)
    expect(out.trimEnd().split('\n').map((line) => JSON.parse(line) as unknown)).toEqual([
      { spans: [{ start: 7, end: 18, entity: 'US_SSN', score: 1 }] },
      { spans: [] },
      { spans: [{ start: 2, end: 18, entity: 'EMAIL_ADDRESS', score: 0.95 }] },
    ]) // prettier-ignore
  })
  it('keeps its place when a line is no JSON object with a text, says so and ends with 1', async () => {
    const { code, out } = await run('scan', '--format', 'jsonl', '--json', put('b.jsonl', 'oops\n{"text":"10.0.0.1"}\n{"text":1}\n'))
    expect(code).toBe(1)
    const written = out.trimEnd().split('\n').map((line) => JSON.parse(line) as { spans: unknown[]; error?: string }) // prettier-ignore
    expect(written.map(({ spans, error }) => [spans.length, error])).toEqual([
      [0, 'line 1 is no JSON object with a string `text`'],
      [1, undefined],
      [0, 'line 3 is no JSON object with a string `text`'],
    ])
  })
  it('looks for the entities, the preset and the scores that are asked for', async () => {
    const file = put('c.jsonl', '{"text":"SSN 521-44-9382, card 4111 1111 1111 1111, on 2024-03-04, ref 912703456"}')
    const entities = async (...options: string[]): Promise<string[]> => {
      const { out } = await run('scan', '--format', 'jsonl', '--json', ...options, file)
      return (JSON.parse(out) as { spans: { entity: string }[] }).spans.map(({ entity }) => entity)
    }
    expect(await entities()).toEqual(['US_SSN', 'CREDIT_CARD', 'DATE_TIME'])
    expect(await entities('--preset', 'pci')).toEqual(['CREDIT_CARD'])
    expect(await entities('--entities', 'US_SSN, DATE_TIME')).toEqual(['US_SSN', 'DATE_TIME'])
    expect(await entities('--entities', 'US_ITIN', '--min-score', '0.2')).toEqual(['US_ITIN'])
    expect(await run('scan', '--entities', 'NOTHING', file)).toMatchObject({ code: 2 })
    expect(await run('scan', '--min-score', '7', file)).toMatchObject({ code: 2 })
    expect(await run('scan', join(folder, 'absent'))).toMatchObject({ code: 2 })
  })
  it('says line and column in texts and never a value, over the ends of chunks and lines', async () => {
    const file = put('d.txt', `${'plain words\n'.repeat(20_000)}mail jane@example.com\r\n😀 123 Main St\nSpringfield, IL 62701\n`)
    const { code, out } = await run('scan', '--entities', 'EMAIL_ADDRESS,ADDRESS', file)
    expect(code).toBe(0)
    expect(out).toBe(`${file}:20001:6  EMAIL_ADDRESS  0.95\n${file}:20002:4  ADDRESS  0.97\n`)
  })
  it('takes the heading of a column for the context of its cells', async () => {
    const file = put('e.csv', 'name,ssn,note\n"Doe, Jane",521449382,"a ""quote"""\nx,12,\n')
    const { out } = await run('scan', '--format', 'csv', '--json', '--entities', 'US_SSN', file)
    expect(JSON.parse(out)).toEqual({ row: 2, column: 'ssn', start: 0, end: 9, entity: 'US_SSN', score: expect.any(Number) })
  })
})

describe('filter redact (C6, C9)', () => {
  it('writes the text again with masks, byte for byte elsewhere', async () => {
    const text = 'a\r\nSSN 521-44-9382\n\u202e😀 jane@example.com\n'
    expect(await run('redact', '--preset', 'default', put('f.txt', text))).toMatchObject({
      code: 0,
      out: 'a\r\nSSN [US_SSN]\n\u202e😀 [EMAIL_ADDRESS]\n',
    })
    expect((await run('redact', '--format', 'jsonl', put('f.jsonl', JSON.stringify({ text })))).out).toBe(
      `${JSON.stringify({ text: 'a\r\nSSN [US_SSN]\n\u202e😀 [EMAIL_ADDRESS]\n' })}\n`,
    )
  })
  it('masks cells and leaves headings, quotes and commas as they are', async () => {
    const file = put('g.csv', 'name,ssn\n"Doe, Jane",521449382\n')
    expect((await run('redact', '--format', 'csv', '--entities', 'PERSON', file)).out).toBe('name,ssn\n[PERSON],521449382\n')
    expect((await run('redact', '--format', 'csv', '--entities', 'US_SSN', file)).out).toBe('name,ssn\n"Doe, Jane",[US_SSN]\n')
  })
})

describe('filter test', () => {
  const own = (negatives: string): string =>
    `recognisers:\n  - id: acme\n    entity: ACME_ID\n    pattern: 'AC-\\d{6}'\n    score: 0.6\n    positives: ['AC-123456']\n    negatives: [${negatives}]\n`
  it('runs the examples beside the recognisers, and fails when one is wrong', async () => {
    expect(await run('test', '--json', put('own.yaml', own("'AC-12'")))).toMatchObject({ code: 0 })
    const { code, out } = await run('test', '--json', put('own2.yaml', own("'AC-654321'")))
    expect(code).toBe(1)
    expect(JSON.parse(out)).toMatchObject({ ok: false, failures: [{ id: 'acme', text: 'AC-654321', expected: 'nothing' }] })
  })
  it('brings them into a scan', async () => {
    const { out } = await run(
      'scan',
      '--format',
      'jsonl',
      '--json',
      '--recognisers',
      put('own3.yaml', own('')),
      put('h.jsonl', '{"text":"AC-123456"}'),
    )
    expect(JSON.parse(out)).toMatchObject({ spans: [{ entity: 'ACME_ID', start: 0, end: 9 }] })
  })
})

describe('reading', () => {
  const collect = async <T>(from: AsyncIterable<T>): Promise<T[]> => {
    const all: T[] = []
    for await (const item of from) all.push(item)
    return all
  }
  it('takes what is no UTF-8 for U+FFFD, drops a byte-order mark and keeps characters whole over the ends of chunks', async () => {
    const bytes = [Buffer.from([0xef, 0xbb, 0xbf, 0x61, 0xf0]), Buffer.from([0x9f, 0x98, 0x80, 0xff, 0x62]), Buffer.from([0xe2, 0x82])]
    expect((await collect(decoded(Readable.from(bytes)))).join('')).toBe('a😀\ufffdb\ufffd')
  })
  it('parts lines at LF and CR LF, the last one without an end too', async () => {
    expect((await collect(lines(Readable.from(['a\r', '\nb\n\nc'])))).map(({ text }) => text)).toEqual(['a', 'b', '', 'c'])
  })
  it('refuses a line above the bound, without holding it, and goes on with the next', async () => {
    const part = 'x'.repeat(1024 * 1024)
    const read = await collect(lines(Readable.from([...Array.from({ length: 11 }, () => part), '\nok'])))
    expect(read.map(({ text, tooLong }) => [text, tooLong])).toEqual([['', true], ['ok', false]]) // prettier-ignore
    expect(11 * part.length).toBeGreaterThan(MAX_LINE_BYTES)
  })
  it('refuses a quote that is never closed (RFC 4180)', async () => {
    await expect(collect(csvRecords(Readable.from(['a,"b\nc'])))).rejects.toMatchObject({ code: 'ERR_USAGE' })
  })
})

describe('files in other encodings', () => {
  const CARD = 'card 4111 1111 1111 1111\n'
  it('are read as UTF-16 where their mark says so, whatever the chunks', async () => {
    const little = Buffer.from(`\ufeff${CARD}`, 'utf16le')
    for (const [name, bytes] of [
      ['little.txt', little],
      ['big.txt', Buffer.from(little).swap16()],
      ['eight.txt', Buffer.from(`\ufeff${CARD}`)],
    ] as const) {
      const { code, out } = await run('redact', put(name, Buffer.from(bytes)))
      expect([code, out], name).toEqual([0, 'card [CREDIT_CARD]\n'])
      let text = ''
      for await (const part of decoded(Readable.from(Array.from(bytes, (byte) => Buffer.of(byte))))) text += part
      expect(text, name).toBe(CARD)
    }
  })

  it('are refused where zero bytes lie between their signs: no finding would look like nothing to find', async () => {
    for (const command of ['scan', 'redact', 'classify']) {
      const { code, out, err } = await run(command, put('bare.txt', Buffer.from(CARD, 'utf16le')))
      expect([code, out], command).toEqual([2, ''])
      expect(err, command).toContain('zero bytes')
    }
    expect((await run('scan', put('empty.txt', ''))).code).toBe(0)
    expect((await run('scan', put('one.txt', 'a'))).code).toBe(0)
  })
})
