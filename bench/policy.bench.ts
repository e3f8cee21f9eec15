import * as cedar from '@cedar-policy/cedar-wasm/nodejs'
import { readFileSync } from 'node:fs'
import { type DecisionContext, type DecisionQuery, type EntityFacts, ORDINARY_REQUEST } from '#foundation/core'
import { defaultPolicyFiles, loadPolicies, type PolicyEngine, type PolicyFile } from '#trust/policy'
import type { Benchmark, Row } from './row.ts'

const WARM_UP = 50_000
const SAMPLES = 200_000
const CEDAR_SAMPLES = 1500
const REQUESTS = 2000

/** The bundled policies, filled up with the kinds that organisations add: role grants, hours, networks, risk, purpose, dates. */
export function policyFiles(count: number, bundled: number): readonly PolicyFile[] {
  const kinds: readonly ((n: number) => string)[] = [
    (n) =>
      `permit(principal in Role::"team-${n}", action in [Action::"view", Action::"invoke"], resource) when { resource is Model && resource.sensitivity <= ${n % 4} };`,
    (n) => `forbid(principal, action == Action::"invoke", resource) when { context.hour == ${24 + n} };`,
    (n) => `forbid(principal, action, resource) when { context.sourceAddress.isInRange(ip("203.0.${n % 256}.0/24")) };`,
    (n) => `forbid(principal, action in Action::"useData", resource) when { context.purpose == "purpose-${n}" && context.mfaLevel < 3 };`,
    (n) => `forbid(principal is ServiceAccount, action, resource is Model) when { resource.foreign && context.risk > ${81 + (n % 19)} };`,
    (n) =>
      `forbid(principal, action, resource) when { context.now > datetime("${2100 + (n % 100)}-01-01") && context.weekday == ${n % 7} };`,
    (n) => `permit(principal == User::"person-${n}", action == Action::"view", resource) unless { context.legalBasis == "consent" };`,
    (n) => `forbid(principal, action == Action::"invoke", resource == Model::"retired-${n}");`,
  ]
  const texts = Array.from({ length: count - bundled }, (_, n) => kinds[n % kinds.length]?.(n) ?? '')
  return [...defaultPolicyFiles(), { name: 'bench.cedar', text: texts.join('\n') }]
}

function requests(): readonly DecisionQuery[] {
  const principals = ['application', 'data-scientist', 'deployer', 'business-user', 'team-8'].flatMap((role) =>
    Array.from({ length: 20 }, (_, n): EntityFacts => ({
      type: 'ServiceAccount',
      id: `${role}-${n}`,
      attributes: { purpose: 'credit-scoring', legalBasis: 'contract' },
      parents: [{ type: 'Role', id: role }],
    })),
  )
  const models = Array.from({ length: 50 }, (_, n): EntityFacts => ({
    type: 'Model',
    id: `model-${n}`,
    attributes: {
      sensitivity: n % 4,
      purposes: ['credit-scoring', 'fraud'],
      signed: n % 10 !== 0,
      quarantined: n % 12 === 0,
      foreign: n % 3 === 0,
    },
    parents: [],
  }))
  return Array.from({ length: REQUESTS }, (_, n) => {
    const context: DecisionContext = {
      now: 1_795_000_000_000 + n,
      hour: n % 24,
      weekday: n % 7,
      purpose: n % 9 === 0 ? 'marketing' : 'credit-scoring',
      legalBasis: 'contract',
      sourceAddress: `10.0.${n % 200}.7`,
      profile: 'production',
      mfaLevel: 2,
      risk: n % 100,
      ...ORDINARY_REQUEST,
    }
    const [principal, resource] = [principals[n % principals.length], models[(n * 7) % models.length]]
    if (!principal || !resource) throw new Error('unreachable')
    return { principal, action: n % 5 === 0 ? 'view' : 'invoke', resource, context }
  })
}

interface Timing {
  readonly meanUs: number
  readonly p50Us: number
  readonly p99Us: number
}

function time(samples: number, call: (n: number) => void): Timing {
  const times = new Float64Array(samples)
  const started = process.hrtime.bigint()
  for (let n = 0; n < samples; n++) {
    const before = performance.now()
    call(n)
    times[n] = performance.now() - before
  }
  const meanUs = Number(process.hrtime.bigint() - started) / samples / 1000
  times.sort()
  const at = (share: number): number => (times[Math.floor(samples * share)] ?? 0) * 1000
  return { meanUs, p50Us: at(0.5), p99Us: at(0.99) }
}

function ours(engine: PolicyEngine, asked: readonly DecisionQuery[]): Timing {
  const decide = (n: number): void => {
    const query = asked[n % asked.length]
    if (query) engine.decide(query)
  }
  for (let n = 0; n < WARM_UP; n++) decide(n)
  return time(SAMPLES, decide)
}

/** Cedar's WASM with policies parsed beforehand; its calls are built beforehand too, so that only the deciding is timed. */
function theirs(engine: PolicyEngine, asked: readonly DecisionQuery[]): Timing {
  const id = `bench-${engine.policies.length}`
  cedar.preparsePolicySet(id, { staticPolicies: Object.fromEntries(engine.policies.map((policy) => [policy.id, policy.text])) })
  const schema = readFileSync(new URL('../src/trust/policy/schema.cedarschema', import.meta.url), 'utf8')
  cedar.preparseSchema('bench', schema)
  type Call = Parameters<typeof cedar.statefulIsAuthorized>[0]
  const calls = asked.slice(0, CEDAR_SAMPLES).map(({ principal, action, resource, context: { now, sourceAddress, ...rest } }): Call => ({
    principal: { type: principal.type, id: principal.id },
    action: { type: 'Action', id: action },
    resource: { type: resource.type, id: resource.id },
    context: {
      ...rest,
      now: { __extn: { fn: 'datetime', arg: new Date(now).toISOString() } },
      sourceAddress: { __extn: { fn: 'ip', arg: sourceAddress } },
    },
    preparsedSchemaName: 'bench',
    preparsedPolicySetId: id,
    entities: [principal, resource].map((facts) => ({
      uid: { type: facts.type, id: facts.id },
      attrs: facts.attributes,
      parents: [...facts.parents],
    })) as Call['entities'],
  }))
  calls.forEach((call, n) => {
    const answer = cedar.statefulIsAuthorized(call)
    const query = asked[n]
    if (answer.type === 'failure' || (query && answer.response.decision !== engine.decide(query).effect))
      throw new Error('the engines do not do the same work')
  })
  return time(calls.length, (n) => void cedar.statefulIsAuthorized(calls[n] as Call))
}

async function run(): Promise<readonly Row[]> {
  const bundled = (await loadPolicies()).policies.length
  const asked = requests()
  const rows: Row[] = []
  for (const [wanted, target] of [
    [50, 5],
    [500, null],
  ] as const) {
    const count = Math.max(wanted, bundled)
    const engine = await loadPolicies({ files: policyFiles(count, bundled) })
    const [closures, wasm] = [ours(engine, asked), theirs(engine, asked)]
    const note = `${REQUESTS} requests of 100 principals and 50 models`
    rows.push(
      { what: `decide, ${count} policies, p50`, value: closures.p50Us, unit: 'µs', target: null, comparator: '<=', note },
      { what: `decide, ${count} policies, p99`, value: closures.p99Us, unit: 'µs', target, comparator: '<=', note },
      {
        what: `decide, ${count} policies, speed against Cedar's preparsed WASM`,
        value: wasm.meanUs / closures.meanUs,
        unit: '×',
        target: 50,
        comparator: '>=',
        note: `WASM mean ${wasm.meanUs.toFixed(0)} µs`,
      },
    )
    const denied = asked.filter((query) => engine.decide(query).effect === 'deny')
    const why = time(2000, (n) => void engine.why(denied[n % denied.length] ?? (asked[0] as DecisionQuery)))
    rows.push({ what: `why, ${count} policies, p99`, value: why.p99Us / 1000, unit: 'ms', target: 1, comparator: '<=' })
  }
  return rows
}

export const benchmark: Benchmark = { name: 'policy', run }
