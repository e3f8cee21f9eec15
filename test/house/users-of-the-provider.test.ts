/** The table of who uses the key provider, against what the rooms themselves name. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const SOURCE = fileURLToPath(new URL('../../src', import.meta.url))
const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !/\.(test|system|fixtures?|child)\.ts$/.test(path))
  .map((path) => ({ path, text: readFileSync(join(SOURCE, path), 'utf8') }))
const table = [
  ...readFileSync(join(SOURCE, 'trust/keys/README.md'), 'utf8').matchAll(/^\| ([a-z][^|]*?) \| (dataset|model|subject|configuration) \|/gm),
].map(([, name]) => name!)

it('names each place that holds what the key provider wrapped (A4, A6)', () => {
  expect(table).toHaveLength(14)
  const all = files.map(({ text }) => text).join('\n')
  for (const name of table) expect(all, name).toContain(`'${name}'`)
})

it('has an entry for each maker of a key under a class of the tenant, and no other file makes one (A4, A6)', () => {
  const makers = files
    .filter(({ text }) => /\bgenerateDataKey\(\s*'configuration'|wrap(?:By)?\([^)]*'configuration'/.test(text))
    .map(({ path }) => path)
  expect(makers.toSorted()).toEqual([
    'gateway/filters/confidential/confidential-store.ts',
    'gateway/filters/vault/vault.ts',
    'governance/approvals/own-room.ts',
    'trust/keys/open-keyring.ts',
    'trust/keys/outside/outside-provider.ts',
  ])
  // Places that the server hands to the rotation.
  const compose = files.find(({ path }) => path === 'composition/compose.ts')!.text
  for (const handed of [
    'vaultKey, reviewsKey, exceptionsKey, erasuresKey',
    'datasets.sealedObjects, registry.sealedObjects, confidential.sealedObjects',
    'collections.pinnedKeys()',
  ])
    expect(compose).toContain(handed)
})
