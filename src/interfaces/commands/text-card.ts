import type { TextCard } from '#gateway/filters'

const grouped = (count: number): string => count.toLocaleString('en')
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** What a classifier of confidential text is worth, in lines. */
export function cardWords({
  seed,
  wantedFalseAlarms,
  confidential,
  public: open,
  recall,
  precision,
  falseAlarms,
  strangeAlarms,
}: TextCard): string {
  const found = (side: TextCard['public']): string =>
    `${grouped(side.flagged)} of ${grouped(side.sentences)} sentences, in ${grouped(side.flaggedDocuments)} of ${grouped(side.documents)} documents`
  return [
    `learned from ${grouped(confidential.documents)} confidential and ${grouped(open.documents)} public documents, seed ${seed}`,
    `of documents that it had not seen, where ${100 * wantedFalseAlarms} % false alarms were wanted:`,
    `  found         ${percent(recall).padStart(7)}  ${found(confidential)}`,
    `  false alarms  ${percent(falseAlarms).padStart(7)}  ${found(open)}`,
    `  abstained     ${percent(confidential.abstained / confidential.sentences).padStart(7)}  of the confidential sentences, and ${percent(open.abstained / open.sentences)} of the public ones: too unlike the confidential examples`,
    `  of kinds of text that neither side has, and that are no nearer, at most ${percent(strangeAlarms)} of the sentences are flagged`,
    `  precision     ${percent(precision).padStart(7)}  of the flagged sentences were confidential`,
  ].join('\n')
}
