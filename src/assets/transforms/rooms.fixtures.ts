/** Transforms over real files, keys and log, as a server has them. */
import { type Datasets, EVERY_ROW_WHOLE, type ImportedVersion } from '#assets/datasets'
import { newId } from '#foundation/core'
import { openSealedRooms } from '../../../test/fixtures/sealed-rooms.ts'
import { checkedTransform, sourcesOf } from './definition.ts'
import { runTransform } from './run-transform.ts'
import { ADA, factsOf } from './transforms.fixtures.ts'
import { openTransforms } from './transforms.ts'

export const OBJECTS = 'objects'
/** Reads `visits`, makes the next version of `made`. */
export const DEFINITION = { from: 'visits', steps: [{ filter: 'age >= 20' }, { derive: { half: 'age / 2' } }], to: { dataset: 'made' } }

export interface Rooms {
  readonly datasets: Datasets
  /** Saves a definition under the name of its target, unless one is saved there, and runs it. */
  run(definition: object, signal?: AbortSignal): Promise<ImportedVersion>
  close(): Promise<void>
}

export async function openRooms(root: string, options: { readonly parallel?: boolean } = {}): Promise<Rooms> {
  const rooms = await openSealedRooms(root, options)
  const { datasets, keyring } = rooms
  const transforms = openTransforms(rooms)
  const ports = { ...rooms, transforms, pseudonymKey: keyring.pseudonymKey }
  return {
    datasets,
    async run(written, signal) {
      const definition = checkedTransform(written)
      const name = definition.to.dataset
      const transform = transforms.get(name) ?? (await transforms.save({ name, definition, replaces: null, by: ADA }))
      const sources = sourcesOf(definition).map(({ dataset }) => {
        const version = datasets.get(dataset)!
        const use = { principal: ADA, purpose: 'care', resource: { type: 'Dataset', id: dataset } }
        return { version, facts: factsOf(datasets, version), access: { ...EVERY_ROW_WHOLE, action: 'transform' }, use }
      })
      return runTransform(ports, { transform, run: newId('run'), sources, by: ADA, ...(signal ? { signal } : {}) })
    },
    close: () => rooms.close(),
  }
}
