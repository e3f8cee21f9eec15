import { LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { RedoubtError } from '#foundation/core'
import { luhn, mod97 } from '../checksums.ts'
import { ADJACENT, Lexicon } from '../contexts.ts'
import { stdnum } from '../identifiers/identifier.ts'
import { CONTEXT_BOOST, type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'
import { boundedPattern } from './bounded-pattern.ts'

/** Recognisers of a file, at most, and its size in characters: each runs on every word with a digit or a sign. */
const MAX_RECOGNISERS = 200
const MAX_FILE = 1_000_000
const ADJACENT_BOOST = CONTEXT_BOOST + 0.1

const schema = z.strictObject({
  recognisers: z
    .array(
      z.strictObject({
        id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/u),
        entity: z.string().regex(/^[A-Z][A-Z0-9_]{1,62}$/u),
        pattern: z.string().min(1),
        /** From 0.5 it counts without a context word. */
        score: z.number().gt(0).max(1),
        context: z.array(z.string().min(1).max(64)).max(64).default([]),
        validator: z.string().max(64).optional(),
        positives: z.array(z.string().max(4_096)).max(256).default([]),
        negatives: z.array(z.string().max(4_096)).max(256).default([]),
      }),
    )
    .min(1)
    .max(MAX_RECOGNISERS),
})

/** Texts that a recogniser must find something in, and texts that it must not. */
export interface RecogniserCases {
  readonly id: string
  readonly entity: string
  readonly positives: readonly string[]
  readonly negatives: readonly string[]
}

export interface OwnRecognisers {
  readonly recognisers: readonly Recogniser[]
  readonly cases: readonly RecogniserCases[]
}

/** Aliases are refused only here. */
function valueOf(document: { toJS(options: { maxAliasCount: number }): unknown }, name: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 })
  } catch {
    throw refusal(name, 'it uses aliases: write what they stand for')
  }
}

type Entry = z.infer<typeof schema>['recognisers'][number]

/**
 * Reads recognisers of a site's own. A file is taken as a whole or refused.
 * @param name of the file, for messages.
 * @throws {RedoubtError} `ERR_FILTER_RECOGNISER` for YAML or a shape that does not fit, two entries of one id, an unknown validator, or a
 *   pattern whose cost has no bound; the message says where and what to write.
 */
export function loadRecognisers(yaml: string, name: string): OwnRecognisers {
  if (yaml.length > MAX_FILE) throw refusal(name, `the file is longer than ${MAX_FILE} characters`)
  // Aliases could make a small file a large one.
  const lines = new LineCounter()
  const document = parseDocument(yaml, { maxAliasCount: 0, lineCounter: lines } as never)
  const lineOf = (path: readonly PropertyKey[]): number => {
    for (let length = path.length; length > 0; length--) {
      const node = document.getIn(path.slice(0, length), true) as { readonly range?: readonly number[] | null } | undefined
      if (node?.range) return lines.linePos(node.range[0]!).line
    }
    return 1
  }
  const [error] = document.errors
  if (error) throw refusal(name, error.message.split('\n', 1)[0]!)
  const parsed = schema.safeParse(valueOf(document, name))
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!
    throw refusal(name, `line ${lineOf(issue.path)}, \`${issue.path.join('.')}\`: ${issue.message}`)
  }
  const entries = parsed.data.recognisers
  const ids = new Set<string>()
  for (const { id } of entries) {
    if (ids.has(id)) throw refusal(name, `two recognisers have the id \`${id}\``)
    ids.add(id)
  }
  return {
    recognisers: entries.map((entry, i) => recogniserOf(entry, `${name}, line ${lineOf(['recognisers', i])}`)),
    cases: entries.map(({ id, entity, positives, negatives }) => ({ id, entity, positives, negatives })),
  }
}

function refusal(name: string, message: string, cause?: unknown): RedoubtError {
  return new RedoubtError('ERR_FILTER_RECOGNISER', `\`${name}\`: ${message}`, { evidence: { file: name }, cause })
}

function validatorOf(text: string | undefined, where: string): (compact: string) => boolean {
  if (text === undefined) return () => true
  if (text === 'luhn') return luhn
  if (text === 'mod97') return (compact) => mod97(compact) === 1
  const path = /^stdnum:([a-z]{2}\/[a-z0-9_]{1,24})$/u.exec(text)?.[1]
  if (path !== undefined) {
    const check = stdnum(path)
    try {
      check('0')
      return check
    } catch {
      // Said below: the library has no such number.
    }
  }
  throw refusal(where, `there is no validator \`${text}\`; there are luhn, mod97 and stdnum:<country>/<number>, such as stdnum:nl/bsn`)
}

function recogniserOf(entry: Entry, name: string): Recogniser {
  const where = `${name}, ${entry.id}`
  let pattern: RegExp
  try {
    pattern = boundedPattern(entry.pattern)
  } catch (thrown) {
    if (thrown instanceof RedoubtError) throw refusal(where, thrown.message, thrown)
    throw thrown
  }
  const valid = validatorOf(entry.validator, where)
  const lexicon = new Lexicon()
  lexicon.add(entry.entity, entry.context)
  const isValid = (value: string): boolean => valid(value.replaceAll(/[^\p{L}\p{N}]/gu, '').toUpperCase())
  const find = (segment: Segment): readonly Match[] => {
    const matches: Match[] = []
    for (const { 0: value, index } of segment.text.matchAll(pattern)) {
      if (!isValid(value)) continue
      const end = index + value.length
      const distance = entry.context.length === 0 ? undefined : lexicon.before(segment, index).get(entry.entity)
      const boost = distance === undefined ? 0 : distance === ADJACENT ? ADJACENT_BOOST : CONTEXT_BOOST
      const score = Math.min(1, entry.score + boost)
      const waits = score < segment.minScore && entry.context.length > 0 && distance === undefined
      matches.push(
        waits
          ? {
              start: index,
              end,
              score: 0,
              resolve: ({ text }) => (lexicon.after(text).has(entry.entity) ? [{ score: Math.min(1, entry.score + CONTEXT_BOOST) }] : []),
            }
          : { start: index, end, score },
      )
    }
    return matches
  }
  return { entities: [entry.entity], needs: TRAIT.digit | TRAIT.sign | TRAIT.at | TRAIT.colon | TRAIT.dashes, find }
}
