import { InvalidArgumentError, Option, type Command } from 'commander'
import { type FilterAction, PRESET_NAMES, RedoubtError, SCORE_THRESHOLD } from '#foundation/core'
import type { FilterPlan, Recogniser } from '#gateway/filters'
import { readFileSync } from 'node:fs'
import type { Output } from '../output.ts'
import { EXIT, run } from '../program.ts'
import { readWeights } from './filter-weights.ts'

export interface FilterOptions {
  readonly format: 'text' | 'jsonl' | 'csv'
  readonly preset: string
  readonly entities?: readonly string[]
  readonly minScore: number
  readonly recognisers?: string
  readonly confidential?: string
}

function score(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 1)) throw new InvalidArgumentError('a score is above 0 and at most 1')
  return value
}

/** Options of every command that searches texts. */
function withFilterOptions(command: Command): Command {
  return command
    .addOption(new Option('--format <format>', 'what the input is').choices(['text', 'jsonl', 'csv']).default('text'))
    .addOption(new Option('--preset <preset>', 'look for the entities of a rule').choices(PRESET_NAMES).default('all'))
    .addOption(
      new Option('--entities <names>', 'look for these alone, parted by commas').argParser((text) =>
        text.split(',').map((name) => name.trim()),
      ),
    )
    .addOption(new Option('--min-score <score>', 'leave findings below this out').argParser(score).default(SCORE_THRESHOLD))
    .addOption(new Option('--recognisers <file>', 'a YAML file of recognisers of your own'))
    .addOption(new Option('--confidential <file>', 'look for CONFIDENTIAL_TEXT too, by weights from `redoubt filter train confidential`'))
}

/**
 * What the options ask for.
 * @throws {RedoubtError} `ERR_USAGE` for an entity that nothing finds; `ERR_FILTER_RECOGNISER` for a file of recognisers that is refused.
 */
async function planOf({ preset, entities, minScore, recognisers, confidential }: FilterOptions): Promise<FilterPlan> {
  const filters = await import('#gateway/filters')
  const { compilePlan, confidentialPlan, ENTITIES, loadRecognisers, OPEN_KEY, presetEntities, unpackTextModel } = filters
  const own: readonly Recogniser[] =
    recognisers === undefined ? [] : loadRecognisers(readFileSync(recognisers, 'utf8'), recognisers).recognisers
  const ownEntities = own.flatMap((recogniser) => recogniser.entities)
  const wanted = entities ?? [...presetEntities(preset), ...ownEntities]
  for (const name of wanted)
    if (!ENTITIES.has(name) && !ownEntities.includes(name))
      throw new RedoubtError('ERR_USAGE', `no recogniser finds \`${name}\`; \`redoubt filter entities\` lists what is found`)
  const plan = compilePlan(Object.fromEntries(wanted.map((name): [string, FilterAction] => [name, 'mask'])), { own, minScore })
  if (confidential === undefined) return plan
  return confidentialPlan(plan, OPEN_KEY, [], { CONFIDENTIAL_TEXT: 'mask' }, unpackTextModel(readWeights(confidential)))
}

/** What a command does with one file, by what the input is. Lines that cannot be read are counted. */
export interface Forms {
  readonly jsonl: (file: string, plan: FilterPlan, output: Output) => Promise<number>
  readonly csv: (file: string, plan: FilterPlan, output: Output) => Promise<void>
  readonly text: (file: string, plan: FilterPlan, output: Output) => Promise<void>
}

/** A command that goes through files, one after the other. It ends with 1 when a line could not be read, whatever was found. */
export function overFiles(command: Command, forms: Forms): Command {
  return withFilterOptions(command)
    .argument('[files...]', 'files; standard input without one, or for `-`')
    .action(
      run<FilterOptions>(async ({ output }, options, ...files) => {
        const plan = await planOf(options)
        let refused = 0
        for (const file of files.length > 0 ? files : ['-']) refused += (await forms[options.format](file, plan, output)) ?? 0
        return refused > 0 ? EXIT.refused : EXIT.done
      }),
    )
}
