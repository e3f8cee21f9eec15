import { describe, expect, it } from 'vitest'
import type { Exchange, Route } from '#gateway/routes'
import { Readiness } from './readiness.ts'
import { unlessDraining } from './route-table.ts'

describe('a route of a server that ends', () => {
  it('refuses what begins, and only then (E3)', async () => {
    const readiness = new Readiness()
    let handled = 0
    const route: Route = { method: 'GET', path: '/log/checkpoint', access: 'token', handle: () => void handled++ }
    const guarded = unlessDraining(route, readiness)
    const call = async (): Promise<void> => guarded.handle({} as Exchange)
    await call()
    readiness.done()
    await call()
    readiness.draining()
    await expect(call()).rejects.toMatchObject({ code: 'ERR_DRAINING', status: 503 })
    expect(handled).toBe(2)
  })
})
