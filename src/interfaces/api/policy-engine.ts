import { filterVocabulary, PLAIN_SITE, type Planner } from '#gateway/filters'
import { demandTables, type LoadOptions, loadPolicies, type PolicyEngine, withDefaultPolicies } from '#trust/policy'
import type { PolicyLayer } from './policy-layers.ts'

/** Without a site's own: a filter on an entity that nothing recognises would look like protection and be none. */
export const PLAIN_VOCABULARY = filterVocabulary(PLAIN_SITE)

/** What an engine is made with, besides its policies. */
export type EngineOptions = Required<Pick<LoadOptions, 'shadowRate' | 'onMismatch' | 'vocabulary'>> & { readonly plan: Planner }

/**
 * Makes the engine of policies that pass their truth tables.
 * @returns it, and how many rows of tables were decided.
 * @throws {RedoubtError} `ERR_POLICY_INVALID`, `ERR_POLICY_TEST`, `ERR_FILTER_ENTITY`.
 */
export async function loadEngine(
  { policies, tables }: Pick<PolicyLayer, 'policies' | 'tables'>,
  { shadowRate, onMismatch, vocabulary, plan }: EngineOptions,
): Promise<{ readonly engine: PolicyEngine; readonly cases: number }> {
  const engine = await loadPolicies({ files: withDefaultPolicies(policies), shadowRate, onMismatch, vocabulary })
  // What the filters need, the weights of names among it, is read before the policies are in force, not by the first request.
  for (const { annotations } of engine.set.rules) {
    plan(annotations.obligations.filterInput, false)
    plan(annotations.obligations.filterOutput, false)
  }
  return { engine, cases: demandTables(engine, tables).cases }
}
