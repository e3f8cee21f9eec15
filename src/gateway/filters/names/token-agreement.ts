import { entityIndex, type LabelledText } from './labelled-text.ts'
import type { NameSpan } from './name-tagger.ts'
import { NAME_ENTITIES, type NameEntity } from './tags.ts'
import { CASE, Tokeniser, Tokens } from './tokens.ts'

/** Counts of words; signs do not count. */
export interface Agreement {
  readonly entity: NameEntity
  truePositives: number
  falsePositives: number
  falseNegatives: number
}

export const newAgreement = (): readonly Agreement[] =>
  NAME_ENTITIES.map((entity) => ({ entity, truePositives: 0, falsePositives: 0, falseNegatives: 0 }))

/** Adds how found spans agree with marked ones, word by word and entity by entity, as the field's token-level evaluators do. */
export function addAgreement(agreement: readonly Agreement[], { text, spans }: LabelledText, found: readonly NameSpan[]): void {
  const tokens = new Tokens()
  const tokeniser = new Tokeniser(
    tokens,
    () => undefined,
    () => undefined,
  )
  tokeniser.push(text)
  tokeniser.flush()
  let marked = 0
  let named = 0
  for (let i = 0; i < tokens.size; i++) {
    if (tokens.case[i] === CASE.sign) continue
    const start = tokens.start[i]!
    const end = tokens.end[i]!
    while (marked < spans.length && spans[marked]!.end <= start) marked++
    while (named < found.length && found[named]!.end <= start) named++
    const wanted = marked < spans.length && spans[marked]!.start < end ? entityIndex(spans[marked]!.entity) : -1
    const given = named < found.length && found[named]!.start < end ? entityIndex(found[named]!.entity) : -1
    if (wanted >= 0 && wanted === given) agreement[wanted]!.truePositives++
    else {
      if (wanted >= 0) agreement[wanted]!.falseNegatives++
      if (given >= 0) agreement[given]!.falsePositives++
    }
  }
}

/** F_β of the counts (van Rijsbergen 1979): recall counts β times as much as precision. 0 where nothing agrees. */
export function fBeta({ truePositives, falsePositives, falseNegatives }: Agreement, beta: number): number {
  const weight = beta * beta
  return truePositives === 0
    ? 0
    : ((1 + weight) * truePositives) / ((1 + weight) * truePositives + weight * falseNegatives + falsePositives)
}
