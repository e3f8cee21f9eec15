import { Command, Option } from 'commander'
import { RedoubtError } from '#foundation/core'
import type { InjectionVerdict, TextVerdict } from '#gateway/filters'
import { readWeights } from './filter-weights.ts'
import { decoded, lines, openInput } from './read-lines.ts'
import { textOf } from './text-of.ts'
import { EXIT, run } from '../program.ts'

/** Largest text that is classified, in UTF-16 units. */
const LARGEST_TEXT = 16 * 1024 * 1024
const STANDARD_INPUT = '-'
const UNKNOWN = 'unknown'
const MODELS = ['injection', 'confidential'] as const

type Verdict = InjectionVerdict | TextVerdict
type Classify = (text: string) => Verdict

/** `redoubt filter classify`: the verdict of a text model on files or standard input, with no server. */
export function filterClassifyCommand(): Command {
  return new Command('classify')
    .description('say of texts whether they were written to steer a model, or read like what is confidential; offline')
    .argument('[files...]', 'files of text; standard input unless given')
    .addOption(new Option('--model <model>', 'which text model').choices(MODELS).default('injection'))
    .addOption(
      new Option('--format <format>', 'each file is one text, or one JSON object with `text` a line')
        .choices(['text', 'jsonl'])
        .default('text'),
    )
    .option('--weights <file>', 'weights from `redoubt filter train`, in place of those that ship; of `confidential` none do')
    .action(
      run<{ format: 'text' | 'jsonl'; model: (typeof MODELS)[number]; weights?: string }>(
        async ({ output }, { format, model, weights }, ...files) => {
          const classify = await classifierOf(model, weights)
          let refused = 0
          for (const file of files.length === 0 ? [STANDARD_INPUT] : files) {
            if (format === 'jsonl') refused += await reportLines(file, classify, output)
            else await report(file, classify, output)
          }
          return refused > 0 ? EXIT.refused : EXIT.done
        },
      ),
    )
}

async function classifierOf(name: (typeof MODELS)[number], weights: string | undefined): Promise<Classify> {
  const filters = await import('#gateway/filters')
  if (name === 'injection') {
    const model = weights === undefined ? filters.shippedInjectionModel() : filters.unpackInjectionModel(readWeights(weights))
    return (text) => filters.classifyInjection(text, model)
  }
  if (weights === undefined)
    throw new RedoubtError(
      'ERR_USAGE',
      'name weights with --weights: what is confidential is yours, so `redoubt filter train confidential` makes them',
    )
  const model = filters.unpackTextModel(readWeights(weights))
  return (text) => filters.classifyText(text, model, filters.OPEN_KEY)
}

/** One line out for each line in. @returns how many could not be read: of these nothing is known, which is not `benign`. */
async function reportLines(
  file: string,
  classify: Classify,
  output: { readonly json: boolean; line(text: string): void },
): Promise<number> {
  let refused = 0
  for await (const line of lines(openInput(file))) {
    const { text, error } = textOf(line)
    if (error === null) {
      const verdict = classify(text)
      output.line(output.json ? JSON.stringify(brief(verdict)) : words(`line ${line.number}`, verdict))
      continue
    }
    refused++
    output.line(output.json ? JSON.stringify({ score: null, threshold: null, verdict: UNKNOWN, error }) : `${UNKNOWN}           ${error}`)
  }
  return refused
}

async function report(file: string, classify: Classify, output: { readonly json: boolean; line(text: string): void }): Promise<void> {
  const parts: string[] = []
  let size = 0
  for await (const part of decoded(openInput(file))) {
    size += part.length
    if (size > LARGEST_TEXT) throw new RedoubtError('ERR_USAGE', `a text is longer than ${LARGEST_TEXT} characters: split it`)
    parts.push(part)
  }
  const verdict = classify(parts.join('').replace(/\n$/, ''))
  const name = file === STANDARD_INPUT ? 'standard input' : file
  if (output.json) output.line(JSON.stringify({ ...(file === STANDARD_INPUT ? {} : { file }), ...verdict }))
  else output.line(words(name, verdict))
}

const brief = (verdict: Verdict): object => {
  const { score, threshold } = verdict
  return { score, threshold, verdict: verdict.verdict, ...('abstained' in verdict ? { abstained: verdict.abstained } : {}) }
}

function words(name: string, found: Verdict): string {
  const { score, verdict, signals } = found
  const why = signals.map((signal) => `${signal.name}${signal.decoded.length === 0 ? '' : ` (${signal.decoded.join(', ')})`}`)
  return `${verdict.padEnd(9)}  ${score.toFixed(3)}  ${name}${why.length === 0 ? '' : `  ${[...new Set(why)].join(', ')}`}${'abstained' in found ? abstentions(found) : ''}`
}

/** A classifier says what it does not know, so that nobody takes it for a no. */
function abstentions({ abstained }: TextVerdict): string {
  return abstained === 0 ? '' : `  abstained from ${abstained} ${abstained === 1 ? 'passage' : 'passages'} unlike what it learned from`
}
