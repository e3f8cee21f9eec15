import { Command } from 'commander'
import { table } from '../output.ts'
import { run } from '../program.ts'

/** `redoubt filter entities`: what is found, and under which preset. */
export function filterEntitiesCommand(): Command {
  return new Command('entities').description('list what is found, and the presets each entity is in').action(
    run(async ({ output }) => {
      const { ENTITIES, PRESETS } = await import('#gateway/filters')
      const entities = [...ENTITIES].sort().map((entity) => ({
        entity,
        presets: Object.entries(PRESETS).flatMap(([name, members]) => (members.has(entity) ? [name] : [])),
      }))
      output.result(
        { entities },
        table(
          ['ENTITY', 'PRESETS'],
          entities.map(({ entity, presets }) => [entity, presets.join(' ')]),
        ),
      )
    }),
  )
}
