import { type Action, type EntityFacts, type EntityUid, RedoubtError } from '#foundation/core'
import type { ControlPlane } from './control-plane.ts'
import { pipelineFacts } from './pipeline-facts.ts'
import { transformFacts } from './transform-facts.ts'

const NOBODY: EntityUid = { type: 'System', id: '' }

/**
 * A resource by name, as the policies see it; of a model, the version that serves, else the latest, and for a rollback the one that it goes
 * back to: what serves may be quarantined, which is why one goes back; a pipeline that is not there is one that is new.
 * @param caller who would act: of a collection it is told whether it is granted to them.
 * @throws {RedoubtError} `ERR_NOT_FOUND`.
 */
export function resourceFacts(
  plane: Pick<ControlPlane, 'registry' | 'datasets' | 'collections' | 'endpoints' | 'pipelines' | 'transforms'>,
  { type, id }: EntityUid,
  action?: Action,
  caller: EntityUid = NOBODY,
): EntityFacts {
  if (type === 'Model') {
    const back = action === 'rollback' ? plane.registry.rollbackTarget(id) : null
    const version = back ?? plane.registry.deployed(id) ?? plane.registry.get(id)
    if (version) return plane.registry.facts(version)
  } else if (type === 'Dataset') {
    const collection = plane.collections.get(id)
    const version = plane.datasets.get(id)
    // Rows are added to a collection, whatever versions it has; before the first there is nothing else to ask about.
    if (collection && (action === 'appendRows' || !version)) return plane.collections.facts(collection, caller)
    if (version) return plane.datasets.facts(version)
  } else if (type === 'Endpoint') {
    const route = plane.endpoints.find((endpoint) => endpoint.id === id)
    if (route) return route
  } else if (type === 'Pipeline') return pipelineFacts(plane, id, plane.pipelines.get(id))
  else if (type === 'Transform') return transformFacts(plane, id, plane.transforms.get(id))
  else return { type, id, attributes: {}, parents: [] }
  throw new RedoubtError('ERR_NOT_FOUND', `there is no ${type.toLowerCase()} \`${id}\``)
}
