import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { packWeights } from '../text/weights-file.ts'
import { FEATURES_VERSION } from './features.ts'
import { readConll, readLabelledLines } from './labelled-text.ts'
import { packNamesModel, unpackNamesModel } from './model.ts'
import { findNames } from './name-tagger.ts'
import { readCorpus } from './read-corpus.ts'
import { type Corpus, trainNames } from './train-names.ts'

const FIRST = ['Anna', 'Peter', 'Maria', 'John', 'Laura', 'Omar']
const LAST = ['Smith', 'Meyer', 'Rossi', 'Khan']
const CITIES = ['Paris', 'Berlin', 'Oslo']

function corpus(): Corpus {
  const lines: string[] = []
  for (const first of FIRST)
    for (const last of LAST)
      for (const city of CITIES) {
        const text = `Yesterday ${first} ${last} went to ${city} by train.`
        const at = text.indexOf(first)
        const place = text.indexOf(city)
        lines.push(
          JSON.stringify({
            text,
            spans: [
              { start: at, end: at + first.length + 1 + last.length, type: 'PER' },
              { start: place, end: place + city.length, type: 'LOC' },
            ],
          }),
          JSON.stringify({ text: 'Yesterday the train was late again.', spans: [] }),
        )
      }
  const texts = readLabelledLines(lines.join('\n'), 'made.jsonl')
  return { name: 'made', train: texts.filter((_, i) => i % 5 !== 0), dev: texts.filter((_, i) => i % 5 === 0) }
}

const code = (work: () => unknown): string => {
  try {
    work()
  } catch (thrown) {
    if (thrown instanceof RedoubtError) return `${thrown.code}: ${thrown.message}`
    throw thrown
  }
  return 'nothing was thrown'
}

describe('training of the name tagger', () => {
  const model = trainNames([corpus()], { seed: 7, epochs: 3 })
  const bytes = packNamesModel(model)

  it('learns names and finds unseen ones by their context', () => {
    const text = 'Yesterday Zebulon Quirke went to Narnia by train.'
    const found = findNames(text, unpackNamesModel(bytes)).map(({ entity, start, end }) => `${entity}:${text.slice(start, end)}`)
    expect(found).toEqual(['PERSON:Zebulon Quirke', 'LOCATION:Narnia'])
  })

  it('gives the same bytes for the same text and seed, and others for another seed', () => {
    expect(packNamesModel(trainNames([corpus()], { seed: 7, epochs: 3 })).equals(bytes)).toBe(true)
    expect(packNamesModel(trainNames([corpus()], { seed: 8, epochs: 3 })).equals(bytes)).toBe(false)
  })

  it('refuses corpora that mark nothing', () => {
    const { name, train, dev } = corpus()
    const unmarked = train.map(({ text }) => ({ text, spans: [] }))
    expect(code(() => trainNames([{ name, train: unmarked, dev }], { seed: 1 }))).toContain('ERR_USAGE: the corpora mark no name')
    expect(code(() => trainNames([{ name, train, dev: [] }], { seed: 1 }))).toContain('no texts with names to choose the cuts on')
  })

  it('refuses weights that were altered, cut off, of another kind or version, or larger than they may be', () => {
    const altered = Buffer.from(bytes)
    altered[bytes.length - 1]! ^= 1
    expect(code(() => unpackNamesModel(altered))).toContain('ERR_USAGE')
    expect(code(() => unpackNamesModel(bytes.subarray(0, bytes.length - 40)))).toContain('ERR_USAGE')
    // Another digest in the head: the zlib data are whole, the weights are not the ones it stands for.
    const exchanged = Buffer.from(bytes)
    const digest = exchanged.indexOf('"sha256":"', exchanged.indexOf('"bytes"')) + 10
    exchanged[digest] = exchanged[digest] === 0x30 ? 0x31 : 0x30
    expect(code(() => unpackNamesModel(exchanged))).toContain('not the ones that were written')
    expect(code(() => unpackNamesModel(bytes.subarray(0, 10)))).toContain('it is no file of weights')
    expect(code(() => unpackNamesModel(packWeights({ kind: 'injection', features: FEATURES_VERSION }, new Uint8Array(8))))).toContain(
      'one of `injection`',
    )
    expect(code(() => unpackNamesModel(packWeights({ kind: 'names', features: 0 }, new Uint8Array(8))))).toContain('other features')
    expect(code(() => unpackNamesModel(packWeights({ kind: 'names', features: FEATURES_VERSION }, new Uint8Array(64_000_000))))).toContain(
      'out of bounds',
    )
    expect(code(() => unpackNamesModel(packWeights({ kind: 'names', features: FEATURES_VERSION }, new Uint8Array(8))))).toContain(
      'parts of it are missing',
    )
  })
})

describe('marked text', () => {
  it('joins CoNLL tokens as a writer would and keeps the spans on their words', () => {
    const [text] = readConll("Anna\tB-PER\nSmith\tI-PER\n's\tO\ncar\tO\n(\tO\nin\tO\nParis\tB-LOC\n)\tO\n.\tO\n", 'x.conll')
    expect(text!.text).toBe("Anna Smith's car (in Paris).")
    expect(text!.spans.map(({ start, end, entity }) => [text!.text.slice(start, end), entity])).toEqual([
      ['Anna Smith', 'PERSON'],
      ['Paris', 'LOCATION'],
    ])
  })

  it('takes neither handles nor the roles of a contract for people', () => {
    const texts = readConll('@\tB-PER\njane\tB-PER\nand\tO\nthe\tO\nBorrower\tB-PER\npay\tO\nIda\tB-person\n\n', 'x.conll')
    expect(texts[0]!.spans.map(({ start, end }) => texts[0]!.text.slice(start, end))).toEqual(['Ida'])
  })

  it('says which line is wrong', () => {
    expect(code(() => readConll('Anna\tB-PER\nSmith\n', 'x.conll'))).toContain('`x.conll` line 2')
    expect(code(() => readLabelledLines('{"text":"a","spans":[]}\n{"text":1}', 'x.jsonl'))).toContain('`x.jsonl` line 2')
    expect(code(() => readLabelledLines('{"text":"a","spans":[{"start":0,"end":2,"type":"PER"}]}', 'x.jsonl'))).toContain(
      'outside the text',
    )
    expect(code(() => readLabelledLines('{', 'x.jsonl'))).toContain('not JSON')
  })
})

describe('a folder of folders', () => {
  let folder = ''
  const text = (text: string): string => `${JSON.stringify({ text, spans: [] })}\n`
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'names-'))
    for (const name of ['made/b', 'made/a', 'made/notes', 'none']) mkdirSync(join(folder, name), { recursive: true })
    writeFileSync(join(folder, 'made/b/train.jsonl'), text('second'))
    writeFileSync(join(folder, 'made/b/dev.jsonl'), text('for the cuts'))
    writeFileSync(join(folder, 'made/a/train.conll'), 'first\tO\n')
    writeFileSync(join(folder, 'made/a/dev.conll'), 'too\tO\n')
    writeFileSync(join(folder, 'made/notes/README.md'), 'no text to learn')
    writeFileSync(join(folder, 'made/train.txt'), 'neither')
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it('is one corpus, in alphabetical order', () => {
    const { name, train, dev } = readCorpus(join(folder, 'made'))
    expect([name, train.map(({ text }) => text), dev.map(({ text }) => text)]).toEqual([
      'made',
      ['first', 'second'],
      ['too', 'for the cuts'],
    ])
  })

  it('is refused when nothing in it can be learned', () =>
    expect(code(() => readCorpus(join(folder, 'none')))).toContain('has neither `train.conll` nor `train.jsonl`'))
})
