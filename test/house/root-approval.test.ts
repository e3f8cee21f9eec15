/** Replacing what opens the root of trust, as the rule for production asks for it, against the whole server. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type House, type HouseAccount, openHouse } from './house.fixture.ts'

const ONE = `@id("one-for-the-root") forbid (principal, action == Action::"rotateKey", resource == Key::"root") when { context.approvals < 1 };
`
const folder = mkdtempSync(join(tmpdir(), 'redoubt-root-'))
let house: House
let officer: HouseAccount
let second: HouseAccount
beforeAll(async () => {
  writeFileSync(join(folder, 'one.cedar'), ONE)
  house = await openHouse((configuration) => ({ ...configuration, policies: folder }))
  officer = await house.account('officer', 'security-officer')
  second = await house.account('second', 'security-officer')
}, 60_000)
afterAll(async () => {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
})
const call = (by: HouseAccount, method: string, path: string, json?: object) =>
  house.call(method, `/api/v1${path}`, { token: by.token, ...(json === undefined ? {} : { json }) })

it('needs a second person who agrees to this passphrase, without showing it (A4, B1)', async () => {
  const passphrase = 'nobody else is to read this'
  const refused = (await call(officer, 'POST', '/keys/root', { passphrase })).json
  expect(refused).toMatchObject({ code: 'ERR_APPROVAL_REQUIRED', needed: 1 })
  const { id, digest } = (await call(officer, 'POST', '/approvals', { offer: refused.approval, reason: 'an officer left' })).json
  const shown = await call(second, 'GET', `/approvals/${id}`)
  expect(shown.status, shown.text).toBe(200)
  expect(shown.text).not.toContain(passphrase)
  expect(shown.json.payload.body).toEqual({ opensBy: 'passphrase', digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string })
  expect((await call(second, 'POST', `/approvals/${id}/approve`, { digest })).status).toBe(200)
  // Another passphrase is another act.
  expect((await call(officer, 'POST', '/keys/root', { passphrase: `${passphrase}!` })).json.code).toBe('ERR_APPROVAL_REQUIRED')
  expect((await call(officer, 'POST', '/keys/root', { passphrase })).json).toEqual({ opensBy: 'passphrase' })
  expect((await call(officer, 'POST', '/keys/root', { passphrase })).json.code).toBe('ERR_APPROVAL_REQUIRED')
})
