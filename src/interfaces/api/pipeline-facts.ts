import type { PipelineVersion } from '#assets/pipelines'
import { type EntityFacts, SENSITIVITIES } from '#foundation/core'
import type { ControlPlane } from './control-plane.ts'

/** As restricted as anything: what is not there is not known to be harmless. */
const UNKNOWN = SENSITIVITIES.length - 1

/**
 * A pipeline as the policies see it.
 * @param version the latest; null for one that is not there yet.
 * @param datasets names of what it would learn from, beside its own; the most sensitive counts.
 */
export function pipelineFacts(
  { datasets: room }: Pick<ControlPlane, 'datasets'>,
  name: string,
  version: Pick<PipelineVersion, 'author' | 'builtIn' | 'dataset'> | null,
  datasets: readonly string[] = [],
): EntityFacts {
  const names = version === null || version.dataset === null ? datasets : [version.dataset, ...datasets]
  const levels = names.map((one) => {
    const dataset = room.get(one)
    return dataset ? SENSITIVITIES.indexOf(dataset.sensitivity) : UNKNOWN
  })
  return {
    type: 'Pipeline',
    id: name,
    attributes: {
      author: version === null ? '' : `${version.author.type}::${version.author.id}`,
      sensitivity: levels.length === 0 ? UNKNOWN : Math.max(...levels),
      builtIn: version?.builtIn ?? false,
    },
    parents: [],
  }
}
