import {
  COLUMN_MASKS,
  type ColumnMask,
  FILTER_ACTIONS,
  type FilterAction,
  type LimitRule,
  type Obligations,
  type ReviewWish,
  stricterAction,
  stricterMask,
  UNREADABLE_KINDS,
  type UnreadableKind,
} from '#foundation/core'
import { mergeGuards, readGuards } from './model-guards.ts'
import { mergeTools, readTools } from './tool-annotations.ts'

/** What the annotations of one policy say. */
export interface PolicyAnnotations {
  readonly id: string | null
  readonly description: string | null
  readonly refusal: 'purpose' | null
  readonly obligations: Obligations
}

/** The recogniser entities that a filter annotation may name unless the composition root gives its own list. */
export const FILTER_ENTITIES: readonly string[] = [
  'EMAIL_ADDRESS',
  'PHONE_NUMBER',
  'CREDIT_CARD',
  'IBAN_CODE',
  'US_SSN',
  'IP_ADDRESS',
  'API_KEY',
]

/** What filter annotations may name. */
export interface FilterVocabulary {
  readonly entities: readonly string[]
  /** Entities by the name of their preset. */
  readonly presets: Readonly<Record<string, readonly string[]>>
  /** Actions by entity, of those that have some only. */
  readonly actions: Readonly<Record<string, readonly FilterAction[]>>
}

export const FILTER_VOCABULARY: FilterVocabulary = { entities: FILTER_ENTITIES, presets: {}, actions: {} }

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const MAX_AMOUNT = 1_000_000_000_000
const MAX_WINDOW_MS = 31 * 86_400_000
const MAX_ROWS_PER_CALL = 1_000_000
const MAX_ID_LENGTH = 128
const MAX_ITEMS = 64

export const NO_OBLIGATIONS: Obligations = Object.freeze({
  filterInput: Object.freeze({}),
  filterOutput: Object.freeze({}),
  limits: Object.freeze([]),
  maxRowsPerCall: null,
})

/**
 * Reads a policy's annotations. One that is unknown, malformed, or has no meaning on this effect is refused:
 * a misspelt obligation must not turn into none.
 * @throws {Error} with the reason; the caller adds file and line.
 */
export function readAnnotations(
  annotations: Readonly<Record<string, string | null>>,
  effect: 'permit' | 'forbid',
  vocabulary: FilterVocabulary,
): PolicyAnnotations {
  for (const name of Object.keys(annotations)) {
    const wanted = ANNOTATIONS.get(name)
    if (wanted === undefined) throw new Error(`the annotation \`@${name}\` is not known`)
    if (wanted !== 'both' && wanted !== effect) throw new Error(`the annotation \`@${name}\` has no meaning on a ${effect}`)
    if (annotations[name] === null || annotations[name] === '') throw new Error(`the annotation \`@${name}\` has no value`)
  }
  const {
    id = null,
    description = null,
    refusal = null,
    filter_output,
    limit,
    rows_per_call,
    unread_input,
    restore,
    filter_mode,
    review,
    mask_columns,
    hide_columns,
    tools,
    tool_arguments,
  } = annotations
  if (id !== null && (id.length > MAX_ID_LENGTH || !/^[\w.:#/-]+$/.test(id)))
    throw new Error('an `@id` has up to 128 letters, digits and `_.:#/-`')
  if (refusal !== null && refusal !== 'purpose') throw new Error('`@refusal` knows only "purpose"')
  const { filterInput, guards } = readGuards(annotations)
  return {
    id,
    description,
    refusal,
    obligations: Object.freeze({
      filterInput: readFilter('filter_input', filterInput, vocabulary),
      filterOutput: readFilter('filter_output', filter_output, vocabulary),
      limits: readLimits(limit),
      maxRowsPerCall: readRowsPerCall(rows_per_call),
      ...readRestore(restore, vocabulary),
      ...readMode(filter_mode),
      ...readUnread(unread_input),
      ...readReview(review),
      ...readColumns(mask_columns, hide_columns),
      ...guards,
      ...readTools(tools, tool_arguments),
    }),
  }
}

const ANNOTATIONS: ReadonlyMap<string, 'permit' | 'forbid' | 'both'> = new Map([
  ['id', 'both'],
  ['description', 'both'],
  ['refusal', 'forbid'],
  ['filter_input', 'permit'],
  ['filter_output', 'permit'],
  ['limit', 'permit'],
  ['rows_per_call', 'permit'],
  ['restore', 'permit'],
  ['filter_mode', 'permit'],
  ['unread_input', 'permit'],
  ['mark_untrusted', 'permit'],
  ['canary', 'permit'],
  ['review', 'permit'],
  ['mask_columns', 'permit'],
  ['hide_columns', 'permit'],
  ['tools', 'permit'],
  ['tool_arguments', 'permit'],
])

function items(name: string, text: string): readonly string[] {
  const parts = text.split(',').map((part) => part.trim())
  if (parts.length > MAX_ITEMS) throw new Error(`\`@${name}\` has more than ${MAX_ITEMS} items`)
  return parts
}

const isFilterAction = (text: string | undefined): text is FilterAction =>
  (FILTER_ACTIONS as readonly (string | undefined)[]).includes(text)

/** A preset stands for each of its entities that is not named beside it; of two presets with one entity the stricter action holds. */
function readFilter(
  name: string,
  text: string | null | undefined,
  { entities, presets, actions }: FilterVocabulary,
): Readonly<Record<string, FilterAction>> {
  const named = new Map<string, FilterAction>()
  const byPreset = new Map<string, FilterAction>()
  for (const item of text ? items(name, text) : []) {
    const [, entity, action] = /^((?:preset:)?[A-Za-z_0-9]+)\s*=\s*([a-z]+)$/.exec(item) ?? []
    if (entity === undefined || !isFilterAction(action)) throw new Error(`\`@${name}\` is a list of \`ENTITY=${FILTER_ACTIONS.join('|')}\``)
    if (named.has(entity)) throw new Error(`\`@${name}\` names \`${entity}\` twice`)
    named.set(entity, action)
    if (entity.startsWith('preset:')) {
      const preset = entity.slice('preset:'.length)
      if (!Object.hasOwn(presets, preset)) throw new Error(`\`@${name}\` names the unknown preset \`${preset}\``)
      for (const one of presets[preset]!) byPreset.set(one, stricterAction(byPreset.get(one) ?? action, action))
    } else if (entity !== 'default' && !entities.includes(entity)) throw new Error(`\`@${name}\` names the unknown entity \`${entity}\``)
    const possible = Object.hasOwn(actions, entity) ? actions[entity]! : FILTER_ACTIONS
    if (!possible.includes(action)) throw new Error(`\`@${name}\`: \`${entity}\` cannot be \`${action}\`, only ${possible.join(', ')}`)
  }
  const chosen = [...new Map([...byPreset, ...named])].filter(([entity]) => !entity.startsWith('preset:'))
  return Object.freeze(Object.fromEntries(chosen.sort(([a], [b]) => (a < b ? -1 : 1))))
}

function readLimits(text: string | null | undefined): readonly LimitRule[] {
  const rules: LimitRule[] = []
  for (const item of text ? items('limit', text) : []) {
    const [, unit, amount, count, window] = /^(requests|rows|tokens) +([1-9][0-9]{0,12})\/([1-9][0-9]{0,6})([smhd])$/.exec(item) ?? []
    const windowMs = Number(count) * (UNIT_MS[window ?? ''] ?? Number.NaN)
    if (!(windowMs <= MAX_WINDOW_MS) || !(Number(amount) <= MAX_AMOUNT)) {
      throw new Error('`@limit` is a list of `requests|rows|tokens AMOUNT/WINDOW`, the window in s, m, h or d and at most 31 days')
    }
    if (rules.some((rule) => rule.unit === unit && rule.windowMs === windowMs)) throw new Error('`@limit` names a unit and window twice')
    rules.push(Object.freeze({ unit: unit as LimitRule['unit'], amount: Number(amount), windowMs }))
  }
  return Object.freeze(rules.sort(byUnitAndWindow))
}

function readRowsPerCall(text: string | null | undefined): number | null {
  if (text === null || text === undefined) return null
  if (!/^[1-9][0-9]{0,6}$/.test(text) || Number(text) > MAX_ROWS_PER_CALL)
    throw new Error(`\`@rows_per_call\` is a number from 1 to ${MAX_ROWS_PER_CALL}`)
  return Number(text)
}

function readRestore(text: string | null | undefined, { entities }: FilterVocabulary): Pick<Obligations, 'restore'> {
  if (!text) return {}
  const names = items('restore', text)
  for (const [i, name] of names.entries()) {
    if (name !== 'all' && !entities.includes(name)) throw new Error(`\`@restore\` names the unknown entity \`${name}\``)
    if (names.indexOf(name) !== i) throw new Error(`\`@restore\` names \`${name}\` twice`)
  }
  return { restore: Object.freeze(names.toSorted()) }
}

function readMode(text: string | null | undefined): Pick<Obligations, 'filterMode'> {
  if (!text) return {}
  if (text !== 'dry_run') throw new Error('`@filter_mode` knows only "dry_run"')
  return { filterMode: 'dry_run' }
}

function readUnread(text: string | null | undefined): Pick<Obligations, 'unreadInput'> {
  if (!text) return {}
  const kinds = items('unread_input', text)
  for (const [i, kind] of kinds.entries())
    if (!(UNREADABLE_KINDS as readonly string[]).includes(kind) || kinds.indexOf(kind) !== i)
      throw new Error(`\`@unread_input\` is a list of \`${UNREADABLE_KINDS.join('|')}\`, each named once`)
  return { unreadInput: Object.freeze(kinds.toSorted()) as readonly UnreadableKind[] }
}

/** Small on purpose: an output has a value, as text, or not. What needs more than that is for the model to answer. */
function readReview(text: string | null | undefined): Pick<Obligations, 'review'> {
  if (!text) return {}
  if (text.trim() === 'always') return { review: 'always' }
  const wishes = items('review', text).map((item) => {
    const [, output, value] = /^([\w.-]{1,64})\s*=\s*([\w.+-]{1,64})$/.exec(item) ?? []
    if (output === undefined || value === undefined) throw new Error('`@review` is "always" or a list of `OUTPUT=VALUE`')
    return Object.freeze({ output, value })
  })
  return { review: Object.freeze(wishes) }
}

/** Names of columns as the header of a CSV file has them, but for commas and equals signs. */
function readColumns(masked: string | null | undefined, hidden: string | null | undefined): Pick<Obligations, 'columns'> {
  const masks = new Map<string, ColumnMask>()
  const add = (annotation: string, column: string, mask: ColumnMask): void => {
    if (masks.has(column)) throw new Error(`\`@${annotation}\` names \`${column}\` twice`)
    masks.set(column, mask)
  }
  for (const item of masked ? items('mask_columns', masked) : []) {
    const [, column, mask] = /^([^=]*[^=\s])\s*=\s*([a-z0-9]+)$/.exec(item) ?? []
    if (column === undefined || !(MASKS as readonly string[]).includes(mask ?? ''))
      throw new Error(`\`@mask_columns\` is a list of \`COLUMN=${MASKS.join('|')}\``)
    add('mask_columns', column, mask as ColumnMask)
  }
  for (const column of hidden ? items('hide_columns', hidden) : []) {
    if (column === '' || column.includes('=')) throw new Error('`@hide_columns` is a list of names of columns')
    add('hide_columns', column, 'hide')
  }
  if (masks.size === 0) return {}
  return { columns: Object.freeze(Object.fromEntries([...masks].sort(([a], [b]) => (a < b ? -1 : 1)))) }
}
const MASKS = COLUMN_MASKS.filter((mask) => mask !== 'hide')

function byUnitAndWindow(left: LimitRule, right: LimitRule): number {
  if (left.unit !== right.unit) return left.unit < right.unit ? -1 : 1
  return left.windowMs - right.windowMs
}

/**
 * Adds up what several satisfied permits ask for: every rule applies, and of two that speak of the same thing the stricter.
 * @param unsaid what a permit means for a column that it does not speak of.
 */
export function mergeObligations(all: readonly Obligations[], unsaid: ColumnMask = 'keep'): Obligations {
  const [only] = all
  if (only === undefined) return NO_OBLIGATIONS
  if (all.length === 1 && unsaid === 'keep') return only
  const limits = new Map<string, LimitRule>()
  for (const rule of all.flatMap((one) => one.limits)) {
    const key = `${rule.unit} ${rule.windowMs}`
    const known = limits.get(key)
    if (known === undefined || rule.amount < known.amount) limits.set(key, rule)
  }
  const rows = all.flatMap((one) => (one.maxRowsPerCall === null ? [] : [one.maxRowsPerCall]))
  return Object.freeze({
    filterInput: mergeFilters(all.map((one) => one.filterInput)),
    filterOutput: mergeFilters(all.map((one) => one.filterOutput)),
    limits: Object.freeze([...limits.values()].sort(byUnitAndWindow)),
    maxRowsPerCall: rows.length > 0 ? Math.min(...rows) : null,
    ...mergeRestore(all),
    // Filters act as soon as one permit wants them to.
    ...(all.every(({ filterMode }) => filterMode === 'dry_run') ? { filterMode: 'dry_run' as const } : {}),
    ...mergeUnread(all),
    ...mergeReview(all),
    ...mergeColumns(all, unsaid),
    ...mergeGuards(all),
    ...mergeTools(all),
  })
}

/** A token is turned back only where every permit lets it be. */
function mergeRestore(all: readonly Obligations[]): Pick<Obligations, 'restore'> {
  const lists = all.map(({ restore = [] }) => restore)
  const names = [...new Set(lists.flat())].filter((name) => lists.every((one) => one.includes(name) || one.includes('all')))
  return names.length === 0 ? {} : { restore: Object.freeze(names.sort()) }
}

/** What passes unread has to be let pass by every permit: one more permit never loosens what another asks for. */
function mergeUnread(all: readonly Obligations[]): Pick<Obligations, 'unreadInput'> {
  const [first, ...others] = all.map(({ unreadInput = [] }) => unreadInput)
  const kinds = (first ?? []).filter((kind) => others.every((one) => one.includes(kind)))
  return kinds.length === 0 ? {} : { unreadInput: Object.freeze(kinds) }
}

/** What any permit wants looked at is looked at. */
function mergeReview(all: readonly Obligations[]): Pick<Obligations, 'review'> {
  const wishes = new Map<string, Exclude<ReviewWish, 'always'>[number]>()
  for (const { review = [] } of all) {
    if (review === 'always') return { review }
    for (const wish of review) wishes.set(`${wish.output}=${wish.value}`, wish)
  }
  if (wishes.size === 0) return {}
  return { review: Object.freeze([...wishes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, wish]) => wish)) }
}

/** The strictest mask of each column; one that does not name a column speaks of it by its `default`, else by `unsaid`. */
export function mergeColumns(all: readonly Obligations[], unsaid: ColumnMask): Pick<Obligations, 'columns'> {
  const spoken = all.map(({ columns = {} }): Readonly<Record<string, ColumnMask>> => ({ default: unsaid, ...columns }))
  const names = new Set(spoken.flatMap((one) => Object.keys(one)))
  if (unsaid === 'keep' && all.every(({ columns }) => columns === undefined)) return {}
  const said = (one: Readonly<Record<string, ColumnMask>>, name: string): ColumnMask =>
    (Object.hasOwn(one, name) ? one[name] : one['default']) ?? unsaid
  const merged = [...names].sort().map((name) => [name, spoken.map((one) => said(one, name)).reduce(stricterMask)] as const)
  return { columns: Object.freeze(Object.fromEntries(merged)) }
}

function mergeFilters(all: readonly Readonly<Record<string, FilterAction>>[]): Readonly<Record<string, FilterAction>> {
  const names = [...new Set(all.flatMap((one) => Object.keys(one)))].sort()
  // A policy that does not name an entity speaks of it by its `default`.
  const said = (one: Readonly<Record<string, FilterAction>>, name: string): FilterAction => one[name] ?? one['default'] ?? 'allow'
  return Object.freeze(
    Object.fromEntries(names.map((name) => [name, all.map((one) => said(one, name)).reduce((a, b) => stricterAction(a, b))])),
  )
}
