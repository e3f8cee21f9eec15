import { describe, expect, it } from 'vitest'
import { coreDumps, emptyCoreDumps, refuseCoreDumps } from './core-dumps.ts'

const limits = (core: string): string =>
  `Limit                     Soft Limit           Hard Limit           Units     \nMax stack size            8388608              unlimited            bytes     \nMax core file size        ${core}           bytes     \n`
const kernel =
  (core: string, filter: string) =>
  (path: string): string =>
    path === '/proc/self/limits' ? limits(core) : `${filter}\n`
const nothing = (): never => {
  throw new Error('ENOENT')
}

describe('core dumps (A1)', () => {
  it('are read from the kernel; what it does not tell is taken for the worst', () => {
    expect(coreDumps(kernel('0                    unlimited ', '00000000'))).toEqual({ limit: 0, memory: false })
    expect(coreDumps(kernel('0                    0         ', '00000033'))).toEqual({ limit: 0, memory: true })
    expect(coreDumps(kernel('4096                 unlimited ', '0'))).toEqual({ limit: 4096, memory: false })
    expect(coreDumps(kernel('unlimited            unlimited ', 'x'))).toEqual({ limit: null, memory: true })
    expect(coreDumps(nothing)).toEqual({ limit: null, memory: true })
    expect(coreDumps(() => '')).toEqual({ limit: null, memory: true })
  })

  it('are as the kernel says of this very process', () => {
    const found = coreDumps()
    expect(found.limit === null || found.limit >= 0).toBe(true)
    expect(typeof found.memory).toBe('boolean')
  })

  it('keep production from starting unless the limit is 0, whatever the filter is; development starts', () => {
    for (const limit of [null, 1, 4096]) {
      expect(() => refuseCoreDumps('production', { limit, memory: false })).toThrow(
        expect.objectContaining({ code: 'ERR_CONFIG_INSECURE' }),
      )
      expect(() => refuseCoreDumps('development', { limit, memory: true })).not.toThrow()
    }
    expect(() => refuseCoreDumps('production', { limit: 0, memory: true })).not.toThrow()
  })

  it('are emptied of memory by the filter, where there is one', () => {
    const written: string[] = []
    emptyCoreDumps((path, text) => void written.push(`${path} ${text}`))
    expect(written).toEqual(['/proc/self/coredump_filter 0'])
    expect(() => emptyCoreDumps(nothing)).not.toThrow()
  })
})
