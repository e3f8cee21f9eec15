import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { RedoubtError } from '#foundation/core'
import { type LabelledText, readConll, readLabelledLines } from './labelled-text.ts'
import type { Corpus } from './train-names.ts'

/** Largest file that is read. */
const LARGEST_FILE = 256 * 1024 * 1024
/** Of a file without a `dev` beside it, one text of this many chooses the cuts. */
const ONE_IN = 10

/** Reads `.conll` or `.jsonl`. @throws {RedoubtError} `ERR_USAGE` if the file is too large or a line is wrong. */
export function readLabelled(path: string): readonly LabelledText[] {
  if (statSync(path).size > LARGEST_FILE) throw new RedoubtError('ERR_USAGE', `\`${path}\` is larger than ${LARGEST_FILE} bytes: split it`)
  const content = readFileSync(path, 'utf8')
  return path.endsWith('.jsonl') ? readLabelledLines(content, path) : readConll(content, path)
}

/** The part of a corpus folder: `train.conll` or `train.jsonl`, and so on; null if it has neither. */
export function readPart(folder: string, part: 'train' | 'dev' | 'test'): readonly LabelledText[] | null {
  for (const type of ['conll', 'jsonl']) {
    const path = join(folder, `${part}.${type}`)
    if (existsSync(path)) return readLabelled(path)
  }
  return null
}

/** Most folders that are read as one corpus. */
const MOST_FOLDERS = 1000

/**
 * A folder with `train` and perhaps `dev`, or a single file. Where there is no `dev`, every tenth text takes its place. A folder of such folders is
 * one corpus, in alphabetical order: texts of one maker weigh once when the cuts are chosen, however many folders they lie in.
 * @throws {RedoubtError} `ERR_USAGE` if there is nothing to read, or a line is wrong.
 */
export function readCorpus(path: string): Corpus {
  if (!existsSync(path)) throw new RedoubtError('ERR_USAGE', `there is no corpus \`${path}\``)
  const folder = statSync(path).isDirectory()
  const train = folder ? readPart(path, 'train') : readLabelled(path)
  if (train === null) return joinedCorpus(path)
  const name = basename(path).replace(/\.(?:conll|jsonl)$/u, '')
  const dev = folder ? readPart(path, 'dev') : null
  if (dev !== null) return { name, train, dev }
  return { name, train: train.filter((_, i) => i % ONE_IN !== 0), dev: train.filter((_, i) => i % ONE_IN === 0) }
}

function joinedCorpus(path: string): Corpus {
  const folders = readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && readable(join(path, entry.name)))
    .map((entry) => join(path, entry.name))
    .sort()
  if (folders.length === 0) throw new RedoubtError('ERR_USAGE', `\`${path}\` has neither \`train.conll\` nor \`train.jsonl\``)
  if (folders.length > MOST_FOLDERS) throw new RedoubtError('ERR_USAGE', `\`${path}\` has more than ${MOST_FOLDERS} folders of text`)
  const corpora = folders.map(readCorpus)
  return { name: basename(path), train: corpora.flatMap(({ train }) => train), dev: corpora.flatMap(({ dev }) => dev) }
}

const readable = (folder: string): boolean => existsSync(join(folder, 'train.conll')) || existsSync(join(folder, 'train.jsonl'))
