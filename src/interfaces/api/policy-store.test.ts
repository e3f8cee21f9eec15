import { describe, expect, it } from 'vitest'
import { MemoryFolder, replaceFile } from '#foundation/storage'
import { PolicyStore } from './policy-store.ts'

const FORBID = 'forbid (principal, action, resource) when { context.risk > 99 };\n'
const open = (folder: MemoryFolder) => PolicyStore.open({ folder, operator: [], shadowRate: 0, onMismatch: () => undefined })

describe('policies put through the control plane', () => {
  it('are bounded in number, and one of them can still be replaced and removed', async () => {
    const folder = new MemoryFolder()
    for (let i = 0; i < 256; i++) replaceFile(folder, `p${i}.cedar`, Buffer.from(FORBID))
    const store = await open(folder)
    await expect(store.put('one-more', FORBID)).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
    await store.put('p7', FORBID)
    await store.remove('p8')
    await store.put('one-more', FORBID)
  })
})
