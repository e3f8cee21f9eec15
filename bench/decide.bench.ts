/** Who asks, within which limits, under which circumstances, may they: the answers of every request, warm, by the real rooms. */
import { type EntityFacts, systemClock } from '#foundation/core'
import { conditionRequest, decisionContext, noteAnswer } from '#gateway/pipeline'
import { localTime } from '#trust/conditions'
import { loadPolicies } from '#trust/policy'
import { policyFiles } from './policy.bench.ts'
import { BENCH_PURPOSE, openRealRooms } from './real-rooms.ts'
import { BENCH_POLICY } from './redoubt-server.ts'
import { type Benchmark, percentile, type Row } from './row.ts'

const ACCOUNTS = 20
const MODELS = 50
const WARM_UP = 50_000
const SAMPLES = 200_000
const TARGET_US = 15
const TAIL_TARGET_US = 100

const models = Array.from({ length: MODELS }, (_, n): EntityFacts => ({
  type: 'Model',
  id: `model-${n}`,
  attributes: { sensitivity: n % 4, purposes: [BENCH_PURPOSE, 'fraud'], signed: true, quarantined: false, foreign: n % 3 === 0 },
  parents: [],
}))

async function run(): Promise<readonly Row[]> {
  const rooms = await openRealRooms()
  const rows: Row[] = []
  const house = { localTime: localTime('Europe/Berlin'), conditions: rooms.conditions, profile: 'production' } as const
  try {
    const tokens: string[] = []
    for (let n = 0; n < ACCOUNTS; n++) tokens.push(`Bearer ${await rooms.token(`bench-${n}`, 'deployer')}`)
    // Accounts of one role that invokes nothing by default, so that the limits are the benchmark's alone.
    const permit = BENCH_POLICY.replaceAll(/principal == ServiceAccount::"bench"/g, 'principal in Role::"deployer"')
    const bundled = (await loadPolicies()).policies.length + 2
    for (const wanted of [50, 500]) {
      const count = Math.max(wanted, bundled) // the bundled ones alone may be more than fifty
      const files = [...policyFiles(count, bundled), { name: 'permit.cedar', text: permit }]
      const engine = await loadPolicies({ files })
      if (engine.policies.length !== count) throw new Error(`there are ${engine.policies.length} policies`)
      let open: { settle(actual: object): void } | null = null
      const one = (n: number): void => {
        open?.settle({})
        const principal = rooms.identity.authenticate({
          authorization: tokens[n % ACCOUNTS],
          authorizationCount: 1,
          url: '/v2/models/model/infer',
        })
        if ('code' in principal) throw new Error(principal.code)
        const resource = models[(n * 7) % MODELS]!
        const received = { receivedAt: systemClock.now(), sourceAddress: `10.0.${n % 200}.7`, userAgent: 'bench/1.0' }
        const asked = conditionRequest(principal, received, `Model/${resource.id}`)
        const context = decisionContext(house, principal, asked)
        const decision = engine.decide({ principal: principal.facts, action: 'invoke', resource, context })
        noteAnswer(house, principal, asked, decision.effect === 'allow')
        if (decision.effect === 'deny') throw new Error(`denied: ${decision.policies.join(', ')} ${decision.code}`)
        const taken = rooms.limits.take({
          principal: principal.facts.id,
          endpoint: `Model/${resource.id}`,
          rules: decision.obligations.limits,
          requests: 1,
          rows: 1,
        })
        if (!taken.allowed) throw new Error(taken.code)
        open = taken
      }
      for (let n = 0; n < WARM_UP; n++) one(n)
      const times = new Float64Array(SAMPLES)
      for (let n = 0; n < SAMPLES; n++) {
        const before = performance.now()
        one(n)
        times[n] = (performance.now() - before) * 1000
      }
      times.sort()
      const what = `authenticate, decide, limit; ${count} policies`
      const note = `${ACCOUNTS} accounts, ${MODELS} models; the settling of the call before is in it`
      rows.push(
        { what: `${what}, p50`, value: percentile(times, 0.5), unit: 'µs', target: null, comparator: '<=', note },
        { what: `${what}, p99`, value: percentile(times, 0.99), unit: 'µs', target: wanted === 50 ? TARGET_US : 40, comparator: '<=' },
        {
          what: `${what}, p99.9`,
          value: percentile(times, 0.999),
          unit: 'µs',
          target: wanted === 50 ? TAIL_TARGET_US : null,
          comparator: '<=',
        },
      )
    }
    return rows
  } finally {
    await rooms.close()
  }
}

export const benchmark: Benchmark = { name: 'decide', run }

if (import.meta.main) console.table(await benchmark.run())
