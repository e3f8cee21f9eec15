import { type EntityUid, RedoubtError, ROLES } from '#foundation/core'
import type { Expression } from './compile-expression.ts'
import { Engine } from './engine.ts'
import { atomsOf } from './invariants/simplify.ts'
import type { FilterVocabulary } from './obligations.ts'
import { findUnreached } from './invariants/reach.ts'
import type { PolicyFile } from './policy-file.ts'
import { type LoadedRule, type PolicySet, readPolicySet } from './policy-set.ts'

/** One thing that is wrong, or odd, in a policy, and what to do. */
export interface Finding {
  readonly severity: 'error' | 'warning'
  readonly file: string
  readonly line: number
  readonly policy: string | null
  readonly message: string
  readonly next: string
}

export interface CheckReport {
  readonly findings: readonly Finding[]
  readonly errors: number
  readonly warnings: number
  readonly files: number
  readonly policies: number
  /** Digest of the set that these files make; null when they make none. */
  readonly policySet: string | null
}

export interface CheckOptions {
  /** Purposes that exist; a policy that names another is warned about. Not checked unless given. */
  readonly purposes?: readonly string[]
  /** What filter annotations may name; default `FILTER_VOCABULARY`. */
  readonly vocabulary?: FilterVocabulary
  /** Whether an entity exists; null when it cannot be known. Not checked unless given. */
  readonly exists?: (entity: EntityUid) => boolean | null
}

/** Acts that take data out, change what is served, or change who may do what. */
const POWERFUL: ReadonlySet<string> = new Set([
  'export',
  'erase',
  'deploy',
  'useKey',
  'rotateKey',
  'destroyKey',
  'readAudit',
  'exportAudit',
  'review',
  'hold',
  'manageAccess',
  'administer',
])

/** Validates policies as loading does, telling every problem rather than the first, and looks for what is valid but seldom meant. */
export async function checkPolicies(files: readonly PolicyFile[], options: CheckOptions = {}): Promise<CheckReport> {
  const { set, problems } = await readPolicySet(files, options.vocabulary)
  const findings = set ? lint(set, options) : problems.map(errorFinding)
  const errors = findings.filter(({ severity }) => severity === 'error').length
  return {
    findings: [...findings].sort((left, right) => (left.file === right.file ? left.line - right.line : left.file < right.file ? -1 : 1)),
    errors,
    warnings: findings.length - errors,
    files: files.length,
    policies: set?.rules.length ?? 0,
    policySet: set?.digest ?? null,
  }
}

function errorFinding(error: RedoubtError): Finding {
  const { file = '', line = 0 } = error.evidence
  const where = `${String(file)}:${String(line)}: `
  return {
    severity: 'error',
    file: String(file),
    line: Number(line),
    policy: null,
    message: error.message.startsWith(where) ? error.message.slice(where.length) : error.message,
    next: 'correct it; a set with an error is not put in force',
  }
}

function lint(set: PolicySet, options: CheckOptions): readonly Finding[] {
  return [
    ...set.warnings.map(validatorFinding),
    ...set.rules.flatMap((rule) => [
      ...broadPermit(set, rule),
      ...idleFilters(set, rule),
      ...unknownPurposes(rule, options),
      ...unknownEntities(rule, options),
    ]),
    ...unreachable(set),
  ]
}

function validatorFinding(warning: string): Finding {
  const [, file = '', line = '0', message = warning] = /^([^:]*):(\d+): ([^]*)$/.exec(warning) ?? []
  return {
    severity: 'warning',
    file,
    line: Number(line),
    policy: null,
    message,
    next: 'Cedar’s validator says so; see whether it is meant',
  }
}

const warningOf = (rule: LoadedRule, message: string, next: string): Finding => ({
  severity: 'warning',
  file: rule.file,
  line: rule.line,
  policy: rule.id,
  message: `policy \`${rule.id}\` ${message}`,
  next,
})

function broadPermit(set: PolicySet, rule: LoadedRule): readonly Finding[] {
  if (rule.effect !== 'permit' || rule.conditions.length > 0) return []
  const actions = [...set.schema.actions].filter(([, { entity }]) => rule.action(entity.uid.type, entity.uid.key, entity)).map(([id]) => id)
  const powerful = actions.filter((action) => POWERFUL.has(action))
  const everyone = rule.json.principal.op === 'All' || (rule.json.principal.op === 'is' && rule.json.principal.in === undefined)
  if (powerful.length > 0) {
    const who = everyone ? ' everyone' : ''
    return [
      warningOf(
        rule,
        `permits${who} ${powerful.map((action) => `\`${action}\``).join(', ')} without any condition`,
        'add a `when` on purpose, sensitivity, factors or place, or name fewer actions',
      ),
    ]
  }
  if (!everyone) return []
  return [warningOf(rule, 'permits everyone, whatever their role', 'name a role: `principal in Role::"…"`')]
}

function idleFilters({ rules }: PolicySet, rule: LoadedRule): readonly Finding[] {
  const { restore, filterMode } = rule.annotations.obligations
  const tokenised = (name: string): boolean =>
    rules.some(({ annotations: { obligations } }) =>
      [obligations.filterInput, obligations.filterOutput].some((actions) =>
        name === 'all' ? Object.values(actions).includes('tokenise') : (actions[name] ?? actions['default']) === 'tokenise',
      ),
    )
  const idle = (restore ?? []).filter((name) => !tokenised(name))
  return [
    ...(filterMode === 'dry_run'
      ? [
          warningOf(
            rule,
            'leaves filters idle: what they find is counted and passes; production does not obey it',
            'take `@filter_mode` away when the report is read',
          ),
        ]
      : []),
    ...(idle.length > 0
      ? [
          warningOf(
            rule,
            `restores ${idle.map((name) => `\`${name}\``).join(', ')}, which no policy tokenises`,
            'write `ENTITY=tokenise` in a filter annotation, or take it out of `@restore`',
          ),
        ]
      : []),
  ]
}

function unknownPurposes(rule: LoadedRule, { purposes }: CheckOptions): readonly Finding[] {
  if (!purposes) return []
  return [...purposesIn(rule)]
    .filter((purpose) => !purposes.includes(purpose))
    .map((purpose) => {
      const [near] = purposes.map((known) => ({ known, distance: editDistance(purpose, known) })).sort((a, b) => a.distance - b.distance)
      const meant =
        near && near.distance <= Math.max(2, purpose.length / 4)
          ? `write \`${near.known}\`, if that is meant`
          : 'correct it, or add it to the purposes'
      return warningOf(rule, `names the purpose \`${purpose}\`, which is not in the list`, meant)
    })
}

/** Texts in tests that read a purpose. */
function purposesIn(rule: LoadedRule): ReadonlySet<string> {
  const atoms = new Map<string, Expression>()
  for (const { body } of rule.conditions) atomsOf(body, atoms)
  const found = new Set<string>()
  for (const atom of atoms.values()) {
    const nodes = [...nodesOf(atom)]
    if (!nodes.some(([name, part]) => name === 'attr' && (part === 'purpose' || part === 'purposes'))) continue
    for (const [name, part] of nodes) if (name === 'Value' && typeof part === 'string' && part !== '') found.add(part)
  }
  return found
}

function* nodesOf(value: unknown): Generator<readonly [string, unknown]> {
  if (typeof value !== 'object' || value === null) return
  for (const [name, part] of Object.entries(value)) {
    yield [name, part]
    yield* nodesOf(part)
  }
}

function unknownEntities(rule: LoadedRule, { exists }: CheckOptions): readonly Finding[] {
  const found = new Map<string, EntityUid>()
  for (const [, part] of nodesOf([rule.json.principal, rule.json.resource, rule.json.conditions])) {
    const { type, id } = (part ?? {}) as Partial<EntityUid>
    if (typeof type === 'string' && typeof id === 'string' && type !== 'Action') found.set(`${type}::"${id}"`, { type, id })
  }
  return [...found].flatMap(([name, entity]) => {
    if (entity.type === 'Role')
      return (ROLES as readonly string[]).includes(entity.id)
        ? []
        : [warningOf(rule, `names \`${name}\`, a role that no account can hold`, `use one of ${ROLES.join(', ')}`)]
    return exists?.(entity) === false
      ? [
          warningOf(
            rule,
            `names \`${name}\`, which does not exist on the server`,
            'correct the id, or remove the policy if the thing is gone',
          ),
        ]
      : []
  })
}

function unreachable(set: PolicySet): readonly Finding[] {
  // Decides by a set that is not in force, so nothing is compared, and nothing replaced.
  const engine = new Engine({
    set,
    shadow: null,
    replace: () => Promise.reject(new RedoubtError('ERR_INTERNAL', 'a check replaces nothing')),
  })
  try {
    return findUnreached(engine).map(({ rule, coveredBy }) =>
      coveredBy.length === 0
        ? warningOf(rule, 'applies to no request at all', 'correct its conditions, or remove it')
        : warningOf(
            rule,
            `permits nothing: whenever it applies, so does ${coveredBy.map((id) => `\`${id}\``).join(' or ')}`,
            'narrow the forbid, or remove the permit',
          ),
    )
  } catch (thrown) {
    if (!(thrown instanceof RedoubtError) || thrown.code !== 'ERR_POLICY_ENUMERATION') throw thrown
    const named = /^policy `([^`]+)` /.exec(thrown.message)?.[1]
    const rule = set.rules.find(({ id }) => id === named)
    return [
      {
        severity: 'warning',
        file: rule?.file ?? '',
        line: rule?.line ?? 0,
        policy: rule?.id ?? null,
        message: `it was not looked for policies that never apply: ${thrown.message}`,
        next: 'compare with constants where you can; `policy prove` is not possible either',
      },
    ]
  }
}

/** Levenshtein's distance; purposes are short. */
function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let row = 1; row <= left.length; row++) {
    const current = [row]
    for (let column = 1; column <= right.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[right.length] ?? 0
}
