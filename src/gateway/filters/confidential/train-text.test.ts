import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { packWeights } from '../text/weights-file.ts'
import { seededRandom } from '../text/random.ts'
import { classifyText } from './classify-text.ts'
import { ExampleLines, Examples, LONGEST_EXAMPLE, MOST_CHARACTERS } from './examples.ts'
import { madeDocument, madeExamples } from '../../../../test/fixtures/confidential-examples.ts'
import { fingerprintKey } from './keyed-hash.ts'
import { decodeRegistered } from './registered-source.ts'
import { FEATURES_VERSION } from './sentence-reader.ts'
import { OPEN_KEY, packTextModel, unpackTextModel } from './text-model.ts'
import { trainInThread } from './train-in-thread.ts'
import { trainText } from './train-text.ts'

const EXAMPLES = madeExamples(40, 7)
const MODEL = trainText(EXAMPLES, OPEN_KEY, { seed: 1 })
const FILE = packTextModel(MODEL)
const decoding = (bytes: Uint8Array) => () => decodeRegistered(bytes, 'classifier')
const refused = (code: string, words: RegExp) => expect.objectContaining({ code, message: expect.stringMatching(words) })

describe('the classifier of confidential text (C7)', () => {
  it('finds unseen documents of the kind that it learned, and leaves others alone (C7)', () => {
    const random = seededRandom(99)
    const [secret, open] = ([1, 0] as const).map((label) => Array.from({ length: 30 }, () => madeDocument(label, random)))
    const found = (texts: readonly string[]): number =>
      texts.filter((text) => classifyText(text, MODEL, OPEN_KEY).verdict === 'confidential').length
    expect(found(secret!)).toBe(30)
    expect(found(open!)).toBeLessThanOrEqual(3)
    for (const text of [secret![0]!, '', 'x', '\ud800', '\udc00 \ud800', '.', 'no. '.repeat(50), '\0']) {
      const { score, verdict, threshold, abstained } = classifyText(text, MODEL, OPEN_KEY)
      expect([verdict, abstained]).toEqual([score >= threshold ? 'confidential' : 'public', 0])
    }
  })

  it('says what it is worth on documents that it had not seen, with counts (C7)', () => {
    const { card } = MODEL
    expect([card.confidential.documents, card.public.documents]).toEqual([40, 40])
    expect(card.recall).toBe(card.confidential.flagged / card.confidential.sentences)
    expect(card.falseAlarms).toBe(card.public.flagged / card.public.sentences)
    expect(card.recall).toBeGreaterThan(0.9)
    expect(card.precision).toBeGreaterThan(0.9)
    expect(card.falseAlarms).toBeLessThan(0.04)
    // What both kinds say stands in several documents, or is no alarm: it is counted nowhere as found by what was learned of the very sentence.
    expect(card.confidential.sentences).toBeLessThan(40 * 14)
  })

  it('flags no more public sentences than are wanted, and more secret ones for more (C7)', () => {
    const strict = trainText(EXAMPLES, OPEN_KEY, { seed: 1, falseAlarms: 0.01 })
    const lax = trainText(EXAMPLES, OPEN_KEY, { seed: 1, falseAlarms: 0.2 })
    expect(lax.cut).toBeLessThan(strict.cut)
    const { flagged, abstained, sentences } = lax.card.public
    expect((flagged + abstained) / sentences).toBeGreaterThan(0.1)
    expect((flagged + abstained) / sentences).toBeLessThan(0.3)
  })

  it('gives the same bytes for the same examples and seed, in a thread too, and others for another seed', async () => {
    const steps: number[] = []
    const again = await trainInThread(EXAMPLES, OPEN_KEY, { seed: 1, falseAlarms: 0.01, progress: (epoch) => steps.push(epoch) })
    expect(packTextModel(again).equals(FILE)).toBe(true)
    expect(steps).toEqual(Array.from({ length: 40 }, (_, i) => i + 1))
    expect(packTextModel(trainText(EXAMPLES, OPEN_KEY, { seed: 2 })).equals(FILE)).toBe(false)
  })

  it('ends with its time, and with whoever asked', async () => {
    await expect(trainInThread(EXAMPLES, OPEN_KEY, { seed: 1, falseAlarms: 0.01, timeoutMs: 1 })).rejects.toMatchObject({
      code: 'ERR_TRAINING_FAILED',
    })
    const abort = new AbortController()
    const gone = new RedoubtError('ERR_CLIENT_GONE')
    const { signal } = abort
    const training = trainInThread(EXAMPLES, OPEN_KEY, { seed: 1, falseAlarms: 0.01, signal, progress: () => abort.abort(gone) })
    await expect(training).rejects.toBe(gone)
  })

  it('is keyed: under another key the weights say nothing of a word (C7)', () => {
    const key = fingerprintKey(new Uint8Array(32).fill(5))
    const other = trainText(EXAMPLES, key, { seed: 1 })
    const text = madeDocument(1, seededRandom(5))
    expect([classifyText(text, other, key).verdict, classifyText(text, other, OPEN_KEY).verdict]).toEqual(['confidential', 'public'])
    const used = (weights: Int8Array): ReadonlySet<number> => new Set([...weights.keys()].filter((bucket) => weights[bucket] !== 0))
    const [mine, theirs] = [used(MODEL.weights), used(other.weights)]
    const both = [...mine].filter((bucket) => theirs.has(bucket)).length
    // As many as two sets of that size have in common by chance, and no more.
    expect(both / mine.size).toBeLessThan((2 * theirs.size) / MODEL.weights.length + 0.01)
  })
})

describe('examples of which no classifier comes (C7)', () => {
  const swapped = EXAMPLES.map(({ text, label }) => ({ text, label: (1 - label) as 0 | 1 }))
  it.each([
    ['none', [], /there are 0 different confidential documents .* at least 10/u],
    ['one side', EXAMPLES.filter(({ label }) => label === 1), /there are 0 different public documents/u],
    ['few', EXAMPLES.slice(0, 12), /there are 6 different confidential documents/u],
    ['one and the same again and again', Array.from({ length: 100 }, (_, i) => EXAMPLES[i % 2]!), /there are 1 different/u],
    ['too few sentences for the threshold', EXAMPLES.slice(0, 40), /public documents have \d+ sentences .* at least 300 are wanted/u],
    ['the same texts', [...EXAMPLES, ...swapped], /on the other side too/u],
    ['texts that are too short', Array.from({ length: 90 }, (_, i) => ({ text: `short ${i}`, label: (i % 2) as 0 | 1 })), /there are 0/u],
  ])('are refused with what is wanted: %s', (_, examples, words) => {
    expect(() => trainText(examples, OPEN_KEY, { seed: 1 })).toThrow(refused('ERR_TRAINING_EXAMPLES', words))
  })

  it('are refused when the labels are thrown, for each of several throws (C7)', () => {
    for (const seed of [1, 2, 3]) {
      const random = seededRandom(seed)
      // Documents of one kind: there is nothing to learn.
      const thrown = Array.from({ length: 120 }, () => ({ text: madeDocument(1, random), label: random.below(2) as 0 | 1 }))
      expect(() => trainText(thrown, OPEN_KEY, { seed }), `seed ${seed}`).toThrow(
        refused('ERR_TRAINING_EXAMPLES', /no better than chance/u),
      )
    }
  })

  it('are refused outside of what false alarms may be asked for', () => {
    for (const falseAlarms of [0, -1, 0.5, Number.NaN])
      expect(() => trainText(EXAMPLES, OPEN_KEY, { seed: 1, falseAlarms })).toThrow('from 0.0005 to 0.2')
  })
})

describe('reading examples (C7)', () => {
  const read = (text: string, label: 0 | 1 | null = null): Examples => {
    const examples = new Examples()
    const lines = new ExampleLines(examples, label)
    for (let at = 0; at < text.length; at += 7) lines.push(text.slice(at, at + 7))
    lines.finish()
    return examples
  }
  it('takes lines in any cutting, with a label of their own or of all', () => {
    const text = '{"text":"a\\n😀","label":0}\r\n\n{"text":"\\ud800","label":1,"more":7}'
    expect(read(text).all).toEqual([{ text: 'a\n😀', label: 0 }, { text: '\ud800', label: 1 }]) // prettier-ignore
    expect(read('{"text":"a"}\n{"text":"b","label":0}', 1).all.map(({ label }) => label)).toEqual([1, 0])
  })

  it('refuses what is no example and tells the line, never what it holds', () => {
    for (const line of [
      '{"text":"secret"}',
      '{"label":1}',
      '{"text":"secret","label":2}',
      '["secret"]',
      'null',
      'secret',
      '{"text":7,"label":1}',
    ])
      expect(() => read(`{"text":"a","label":1}\n${line}\n`), line).toThrow(
        expect.objectContaining({ code: 'ERR_INPUT_INVALID', evidence: { line: 2 }, message: expect.not.stringContaining('secret') }),
      )
    expect(() => read('{"text":"a\\u0000b","label":1}')).toThrow('not plain text')
  })

  it('bounds a line, an example and all of them', () => {
    const lines = new ExampleLines(new Examples(), null)
    const part = 'x'.repeat(1024 * 1024)
    expect(() => {
      for (let i = 0; i < 8; i++) lines.push(part)
    }).toThrow(expect.objectContaining({ code: 'ERR_INPUT_TOO_LARGE' }))
    const examples = new Examples()
    expect(() => examples.add('x'.repeat(LONGEST_EXAMPLE + 1), 1)).toThrow(expect.objectContaining({ code: 'ERR_INPUT_TOO_LARGE' }))
    for (let i = 0; i < MOST_CHARACTERS / LONGEST_EXAMPLE; i++) examples.add('x'.repeat(LONGEST_EXAMPLE), 1)
    expect(() => examples.add('x', 0)).toThrow(expect.objectContaining({ code: 'ERR_INPUT_TOO_LARGE' }))
  })
})

describe('the file of weights (C7)', () => {
  it('comes back as it was, and has no word in it', () => {
    expect(unpackTextModel(FILE)).toEqual(MODEL)
    for (const word of ['Halvorsen', 'acquisition', 'museum']) expect(FILE.includes(word)).toBe(false)
  })

  it('is refused when it was changed, cut, or is something else, and nothing else is thrown', () => {
    const head = { ...JSON.parse(FILE.toString('utf8', 12, 12 + FILE.readUInt32LE(8))) }
    const withHead = (value: unknown): Buffer => {
      const json = Buffer.from(JSON.stringify(value))
      const start = Buffer.alloc(12)
      start.write('RDBTTEXT', 'latin1')
      start.writeUInt32LE(json.byteLength, 8)
      return Buffer.concat([start, json, FILE.subarray(12 + FILE.readUInt32LE(8))])
    }
    expect(unpackTextModel(withHead(head)).card).toEqual(MODEL.card)
    // What another version trained is told from what is damaged, with what to do about it.
    const older = decoding(withHead({ ...head, features: FEATURES_VERSION - 1 }))
    expect(older).toThrow(
      refused('ERR_STORAGE_CORRUPT', /another version of Redoubt.*`redoubt confidential remove classifier`.*`redoubt confidential train`/),
    )
    for (const damaged of [FILE.subarray(0, 40), withHead({ ...head, sha256: '' }), withHead({ ...head, features: 'x' })])
      expect(decoding(damaged)).toThrow(refused('ERR_STORAGE_CORRUPT', /not what was written/))
    const bad = [null, 7, [], { ...head, kind: 'injection' }, { ...head, features: FEATURES_VERSION + 1 }, { ...head, scale: 'x' }, { ...head, biases: [0] },
      { ...head, cut: null }, { ...head, card: null }, { ...head, card: {} }, { ...head, card: { ...head.card, public: null } },
      { ...head, bytes: 1e9 }, { ...head, bytes: head.bytes - 1 }, { ...head, sha256: '' }] // prettier-ignore
    for (const value of bad) expect(() => unpackTextModel(withHead(value)), JSON.stringify(value)).toThrow(RedoubtError)
    expect(() => unpackTextModel(packWeights({ kind: 'confidential', features: FEATURES_VERSION }, new Uint8Array(8)))).toThrow(
      'parts of it are missing',
    )
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(FILE.length - 1), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 6 }),
        fc.nat(FILE.length),
        (flips, end) => {
          const changed = Buffer.from(FILE)
          for (const [at, flip] of flips) changed[at]! ^= flip
          for (const file of [changed, FILE.subarray(0, end === FILE.length ? 0 : end), changed.subarray(0, end)])
            try {
              unpackTextModel(file)
            } catch (thrown) {
              expect(thrown).toBeInstanceOf(RedoubtError)
            }
        },
      ),
      { numRuns: 300 },
    )
  })
})
