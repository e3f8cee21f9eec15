import { z } from 'zod'
import {
  type Action,
  ACTIONS,
  COLUMN_MASKS,
  type ColumnMask,
  type DecisionContext,
  type EntityFacts,
  UNTRUSTED_ORIGINS,
  type EntityUid,
  type FactValue,
  FILTER_ACTIONS,
  LEGAL_BASES,
  MFA_NEVER,
  ORDINARY_REQUEST,
  SENSITIVITIES,
} from '#foundation/core'
import type { PolicyFile } from '../policy-file.ts'
import { invalid } from '../policy-text.ts'
import { readYaml } from '../yaml-document.ts'

/** How the files of truth tables end; they lie beside the policies. */
export const TABLE_SUFFIX = '.policy-test.yaml'
const MAX_CASES = 2_000
const MAX_GRIDS = 50
/** Decisions of all grids of one file. */
const MAX_GRID_CASES = 50_000

const id = z.string().min(1).max(128)
const text = z.string().max(256)
const sensitivity = z.union([z.enum(SENSITIVITIES).transform((word) => SENSITIVITIES.indexOf(word)), z.int().min(0).max(3)])
const principal = z.strictObject({
  type: z.enum(['ServiceAccount', 'User']).default('ServiceAccount'),
  id: id.default('someone'),
  roles: z.array(id).max(16).default([]),
  /** Names of groups; the roles that they have are to be named beside them. */
  groups: z.array(id).max(64).default([]),
  purpose: text.default('credit-scoring'),
  legalBasis: z.enum(LEGAL_BASES).default('contract'),
  mfaLevel: z.int().min(0).max(3).optional(),
  name: text.optional(),
})
const attributes = z.strictObject({
  sensitivity: sensitivity.optional(),
  purposes: z.array(text).max(64).optional(),
  legalBases: z.array(z.enum(LEGAL_BASES)).optional(),
  signed: z.boolean().optional(),
  quarantined: z.boolean().optional(),
  foreign: z.boolean().optional(),
  sandbox: z.boolean().optional(),
  author: text.optional(),
  builtIn: z.boolean().optional(),
  upstream: z.string().max(128).optional(),
  vendor: z.string().max(128).optional(),
  region: z.string().max(128).optional(),
  agreement: z.boolean().optional(),
  collector: z.boolean().optional(),
})
const resourceType = z.enum(['Dataset', 'Model', 'Endpoint', 'Key', 'Log', 'System', 'Pipeline', 'Transform', 'Account'])
const resource = z.strictObject({
  type: resourceType,
  id: id.default('one'),
  /** Of a data set or model: the version that is asked about. */
  version: z.int().min(1).default(1),
  attributes: attributes.prefault({}),
})
const context = z.strictObject({
  now: z.iso.datetime({ offset: true }).optional(),
  hour: z.int().min(0).max(23).optional(),
  weekday: z.int().min(0).max(6).optional(),
  purpose: text.optional(),
  legalBasis: z.enum(LEGAL_BASES).optional(),
  sourceAddress: z.union([z.ipv4(), z.ipv6()]).optional(),
  profile: z.enum(['development', 'production']).optional(),
  mfaLevel: z.int().min(0).max(3).optional(),
  risk: z.int().min(0).max(100).optional(),
  workingHours: z.boolean().optional(),
  network: text.optional(),
  country: text.optional(),
  firstSeenNetwork: z.boolean().optional(),
  firstSeenDevice: z.boolean().optional(),
  mfaAge: z.int().min(0).max(MFA_NEVER).optional(),
  tokenBinding: z.enum(['none', 'dpop', 'mtls']).optional(),
  onBehalfBy: text.optional(),
  approvals: z.int().min(0).max(100).optional(),
  breakGlass: z.boolean().optional(),
})
const filters = z.record(z.string().max(64), z.enum(FILTER_ACTIONS))
const obligations = z.strictObject({
  filterInput: filters.optional(),
  filterOutput: filters.optional(),
  /** As in `@limit`: `rows 100000/1h`. */
  limits: z.array(z.string().max(64)).max(64).optional(),
  rowsPerCall: z.int().min(1).nullable().optional(),
  /** What is done to columns of a data set. */
  columns: z.record(z.string().max(200), z.enum(COLUMN_MASKS)).optional(),
  /** What is done to a text that steers the model; `allow` is nothing. */
  injection: z.enum(['allow', 'block', 'log']).optional(),
  /** Origins that are marked, all of them. */
  markUntrusted: z.array(z.enum(UNTRUSTED_ORIGINS)).optional(),
  canary: z.boolean().optional(),
  /** Whether a tool may be used, by name or as `hosted:TYPE`. */
  tools: z.record(z.string().max(200), z.boolean()).optional(),
  toolArguments: z.literal('check').nullable().optional(),
})
/** Cells of one row; what is not named has no value. A whole number stands in a column of either kind of numbers. */
const row = z.record(z.string().max(200), z.union([z.string().max(4096), z.number()]))
const testCase = z.strictObject({
  name: z.string().min(1).max(200),
  principal: principal.prefault({}),
  action: z.enum(ACTIONS),
  resource,
  /** A row of the data set that the case is about: `allow` then means that the row takes part. */
  row: row.optional(),
  context: context.prefault({}),
  expect: z.enum(['allow', 'deny']),
  code: z.enum(['ERR_POLICY_DENIED', 'ERR_POLICY_PURPOSE', 'ERR_POLICY_ERROR']).optional(),
  /** The ids that decided, all of them. */
  policies: z.array(id).max(64).optional(),
  /** Obligations that hold among others. */
  obligations: obligations.optional(),
})
const grid = z.strictObject({
  name: z.string().min(1).max(200),
  principal: principal.omit({ roles: true, groups: true }).prefault({}),
  context: context.prefault({}),
  attributes: attributes.prefault({}),
  /** Role, action, types of resource that are allowed; every other action and type is denied. */
  roles: z.record(id, z.partialRecord(z.enum(ACTIONS), z.array(resourceType))),
})
const tableFile = z
  .strictObject({ cases: z.array(testCase).max(MAX_CASES).default([]), grids: z.array(grid).max(MAX_GRIDS).default([]) })
  .refine(({ cases, grids }) => cases.length + grids.length > 0, 'there is neither a case nor a grid')

export interface ExpectedObligations {
  readonly filterInput?: Readonly<Record<string, string>> | undefined
  readonly filterOutput?: Readonly<Record<string, string>> | undefined
  readonly limits?: readonly string[] | undefined
  readonly rowsPerCall?: number | null | undefined
  readonly columns?: Readonly<Record<string, ColumnMask>> | undefined
  readonly injection?: 'allow' | 'block' | 'log' | undefined
  readonly markUntrusted?: readonly string[] | undefined
  readonly canary?: boolean | undefined
  readonly tools?: Readonly<Record<string, boolean>> | undefined
  readonly toolArguments?: 'check' | null | undefined
}

/** One row of a truth table. */
export interface TableCase {
  readonly name: string
  readonly file: string
  readonly line: number
  readonly principal: EntityFacts
  readonly action: Action
  readonly resource: EntityFacts
  readonly context: DecisionContext
  readonly row: Readonly<Record<string, string | number>> | null
  readonly expect: 'allow' | 'deny'
  readonly code: string | null
  readonly policies: readonly string[] | null
  readonly obligations: ExpectedObligations | null
}

/** Attributes that each type of resource has; a case names those it is about, the rest are harmless. */
const OF_TYPE: Readonly<Record<string, readonly (keyof z.output<typeof attributes>)[]>> = {
  Dataset: ['sensitivity', 'purposes', 'legalBases', 'collector'],
  Model: ['sensitivity', 'purposes', 'signed', 'quarantined', 'foreign'],
  Endpoint: ['sensitivity', 'purposes', 'sandbox', 'upstream', 'vendor', 'region', 'agreement'],
  Pipeline: ['author', 'sensitivity', 'builtIn'],
  Transform: ['author', 'sensitivity'],
}
/** A working afternoon: Wednesday, 25 November 2026, 14:30 UTC. */
const NOON: Omit<DecisionContext, 'purpose' | 'legalBasis' | 'mfaLevel'> = {
  now: Date.UTC(2026, 10, 25, 14, 30),
  hour: 14,
  weekday: 3,
  sourceAddress: '10.1.2.3',
  profile: 'production',
  risk: 0,
  ...ORDINARY_REQUEST,
}

/** @throws {RedoubtError} `ERR_POLICY_INVALID` with file and line. */
export function readTable(file: PolicyFile): readonly TableCase[] {
  const { value, lineOf } = readYaml(file, tableFile)
  const cases = value.cases.map((one, index): TableCase => {
    const line = lineOf(['cases', index])
    if (one.expect === 'allow' && one.code !== undefined) throw invalid(file.name, line, 'a case that expects `allow` has no code')
    if (one.expect === 'deny' && one.obligations !== undefined)
      throw invalid(file.name, line, 'a case that expects `deny` has no obligations')
    if (one.row && one.resource.type !== 'Dataset') throw invalid(file.name, line, 'only a data set has rows')
    const parents = [...uids('Role', one.principal.roles), ...uids('Group', one.principal.groups)]
    return {
      ...facts(one, parents, (type) => attributesOf(type, one.resource.attributes, one.principal, file.name, line)),
      name: one.name,
      file: file.name,
      line,
      row: one.row ?? null,
      expect: one.expect,
      code: one.code ?? null,
      policies: one.policies ?? null,
      obligations: one.obligations ?? null,
    }
  })
  const cells = value.grids.flatMap((one, index) => {
    const line = lineOf(['grids', index])
    return Object.entries(one.roles).flatMap(([role, row]) =>
      ACTIONS.flatMap((action) =>
        resourceType.options.map((type): TableCase => {
          const ask = { principal: one.principal, action, resource: { type, id: 'one', version: 1 }, context: one.context }
          return {
            ...facts(ask, uids('Role', [role]), (type) => attributesOf(type, one.attributes, one.principal, file.name, line, true)),
            name: `${one.name}: ${role} ${action} ${type}`,
            file: file.name,
            line: lineOf(['grids', index, 'roles', role]),
            row: null,
            expect: row[action]?.includes(type) === true ? 'allow' : 'deny',
            code: null,
            policies: null,
            obligations: null,
          }
        }),
      ),
    )
  })
  if (cells.length > MAX_GRID_CASES) throw invalid(file.name, 1, `the grids have more than ${MAX_GRID_CASES} cells`)
  return [...cases, ...cells]
}

interface Ask {
  readonly principal: Omit<z.output<typeof principal>, 'roles' | 'groups'>
  readonly action: Action
  readonly resource: { readonly type: string; readonly id: string; readonly version: number }
  readonly context: z.output<typeof context>
}

const uids = (type: string, ids: readonly string[]): readonly EntityUid[] => ids.map((id) => ({ type, id }))

function facts(
  { principal, action, resource, context }: Ask,
  parents: readonly EntityUid[],
  attributesFor: (type: string) => EntityFacts['attributes'],
): Pick<TableCase, 'principal' | 'action' | 'resource' | 'context'> {
  const { type, id, purpose, legalBasis, mfaLevel, name } = principal
  const own = { purpose, legalBasis, ...(mfaLevel === undefined ? {} : { mfaLevel }), ...(name === undefined ? {} : { name }) }
  const given = Object.fromEntries(Object.entries(context).filter(([, value]) => value !== undefined))
  return {
    principal: { type, id, attributes: own, parents },
    action,
    resource: {
      type: resource.type,
      id: resource.id,
      attributes: attributesFor(resource.type),
      parents: containersOf(resource, context.profile ?? NOON.profile),
    },
    context: {
      ...NOON,
      purpose,
      legalBasis,
      mfaLevel: mfaLevel ?? 0,
      ...given,
      ...(context.now === undefined ? {} : { now: Date.parse(context.now) }),
    },
  }
}

/** What a data set, model or endpoint lies in, as its room tells the policies: version and environment. */
function containersOf({ type, id, version }: Ask['resource'], environment: string): readonly EntityUid[] {
  const within = { type: 'Environment', id: environment }
  if (type === 'Endpoint') return [within]
  return type === 'Dataset' || type === 'Model' ? [{ type: `${type}Version`, id: `${id}/${version}` }, within] : []
}

/** @param spread whether attributes are given for several types at once: each takes its own. */
function attributesOf(
  type: string,
  given: z.output<typeof attributes>,
  owner: { readonly purpose: string; readonly legalBasis: (typeof LEGAL_BASES)[number] },
  file: string,
  line: number,
  spread = false,
): EntityFacts['attributes'] {
  const names = OF_TYPE[type] ?? []
  const odd = Object.keys(given).find((name) => !names.includes(name as keyof typeof given))
  if (odd !== undefined && !spread) throw invalid(file, line, `a ${type} has no attribute \`${odd}\``)
  const harmless = {
    sensitivity: 1,
    purposes: [owner.purpose],
    legalBases: [owner.legalBasis],
    signed: true,
    quarantined: false,
    foreign: false,
    sandbox: false,
    author: 'User::someone-else',
    builtIn: false,
    upstream: 'some-upstream',
    vendor: '',
    region: '',
    agreement: true,
    // There only where rows are to be added.
    collector: undefined,
  }
  return Object.fromEntries(
    names.flatMap((name): [string, FactValue][] => {
      const value = given[name] ?? harmless[name]
      return value === undefined ? [] : [[name, value]]
    }),
  )
}
