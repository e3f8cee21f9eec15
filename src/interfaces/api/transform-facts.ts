import { sourcesOf, type TransformDefinition, type TransformVersion } from '#assets/transforms'
import { type EntityFacts, SENSITIVITIES } from '#foundation/core'
import type { ControlPlane } from './control-plane.ts'

/** As restricted as anything: what is not there is not known to be harmless. */
const UNKNOWN = SENSITIVITIES.length - 1

/**
 * A transform as the policies see it.
 * @param version the latest; null for one that is not there yet.
 * @param definitions of what it would become, beside its own; the most sensitive source of all counts.
 */
export function transformFacts(
  { datasets }: Pick<ControlPlane, 'datasets'>,
  name: string,
  version: Pick<TransformVersion, 'author' | 'definition'> | null,
  ...definitions: readonly TransformDefinition[]
): EntityFacts {
  const all = version === null ? definitions : [version.definition, ...definitions]
  const levels = all.flatMap(sourcesOf).map(({ dataset, version: number }) => {
    const source = datasets.get(dataset, number)
    return source ? SENSITIVITIES.indexOf(source.sensitivity) : UNKNOWN
  })
  return {
    type: 'Transform',
    id: name,
    attributes: {
      author: version === null ? '' : `${version.author.type}::${version.author.id}`,
      sensitivity: levels.length === 0 ? UNKNOWN : Math.max(...levels),
    },
    parents: [],
  }
}
