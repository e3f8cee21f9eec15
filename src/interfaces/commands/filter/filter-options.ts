import { InvalidArgumentError, Option, type Command } from 'commander'
import type { FilterAction } from '#foundation/core'
import { RedoubtError } from '#foundation/core'
import {
  compilePlan,
  ENTITIES,
  type FilterPlan,
  loadRecognisers,
  presetEntities,
  PRESETS,
  type Recogniser,
  SCORE_THRESHOLD,
} from '#gateway/filters'
import { readFileSync } from 'node:fs'

export interface FilterOptions {
  readonly format: 'text' | 'jsonl' | 'csv'
  readonly preset: string
  readonly entities?: readonly string[]
  readonly minScore: number
  readonly recognisers?: string
}

function score(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 1)) throw new InvalidArgumentError('a score is above 0 and at most 1')
  return value
}

/** Options of every command that searches texts. */
export function withFilterOptions(command: Command): Command {
  return command
    .addOption(new Option('--format <format>', 'what the input is').choices(['text', 'jsonl', 'csv']).default('text'))
    .addOption(new Option('--preset <preset>', 'look for the entities of a rule').choices(Object.keys(PRESETS)).default('all'))
    .addOption(
      new Option('--entities <names>', 'look for these alone, parted by commas').argParser((text) =>
        text.split(',').map((name) => name.trim()),
      ),
    )
    .addOption(new Option('--min-score <score>', 'leave findings below this out').argParser(score).default(SCORE_THRESHOLD))
    .addOption(new Option('--recognisers <file>', 'a YAML file of recognisers of your own'))
}

/**
 * What the options ask for.
 * @throws {RedoubtError} `ERR_USAGE` for an entity that nothing finds; `ERR_FILTER_RECOGNISER` for a file of recognisers that is refused.
 */
export function planOf({ preset, entities, minScore, recognisers }: FilterOptions): FilterPlan {
  const own: readonly Recogniser[] =
    recognisers === undefined ? [] : loadRecognisers(readFileSync(recognisers, 'utf8'), recognisers).recognisers
  const ownEntities = own.flatMap((recogniser) => recogniser.entities)
  const wanted = entities ?? [...presetEntities(preset), ...ownEntities]
  for (const name of wanted)
    if (!ENTITIES.has(name) && !ownEntities.includes(name))
      throw new RedoubtError('ERR_USAGE', `no recogniser finds \`${name}\`; \`redoubt filter entities\` lists what is found`)
  return compilePlan(Object.fromEntries(wanted.map((name): [string, FilterAction] => [name, 'mask'])), { own, minScore })
}
