import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { type FipsProbes, fipsCheck } from './fips-check.ts'

const works = { name: 'AES-256-GCM', compute: () => 'right', expected: 'right' }
const wrong = { name: 'AES-256-GCM', compute: () => 'wrong', expected: 'right' }
const throws = {
  name: 'AES-256-GCM',
  expected: 'right',
  compute: () => {
    throw new Error('unsupported')
  },
}
const refused = { name: 'MD5', compute: throws.compute }
const computed = { name: 'MD5', compute: () => 'digest' }
const found = (probes: Partial<FipsProbes>) => fipsCheck({ approved: [works], refused: [refused], claimed: () => 1, ...probes })

describe('doctor --fips', () => {
  it('says `approved algorithms only` when the known answers are right and MD5 is refused, and claims no validation', () => {
    const { state, detail, mend } = found({})
    expect([state, mend]).toEqual(['ok', ''])
    expect(detail).toMatch(/^approved algorithms only: yes, by the known answers of AES-256-GCM; MD5 refused/)
    expect(detail).toContain('no statement about a FIPS 140 validation')
  })

  it.each([
    ['MD5 is computed, whatever node claims', { refused: [computed] }, /^approved algorithms only: no; MD5 is computed too/],
    ['a known answer is wrong', { approved: [wrong] }, /^approved algorithms only: no; AES-256-GCM cannot be computed/],
    ['nothing works, as after setFips without a provider', { approved: [throws] }, /^approved algorithms only: no; AES-256-GCM cannot/],
  ])('does not say so when %s', (_name, probes, words) => {
    expect(found(probes)).toMatchObject({ state: 'problem', detail: expect.stringMatching(words), mend: expect.stringMatching(/provider/) })
    expect(found(probes).detail).toContain('no statement about a FIPS 140 validation')
  })

  it('has the right known answers: the platform here computes them, and MD5 as well', () => {
    expect(fipsCheck()).toMatchObject({
      state: 'problem',
      detail: expect.stringMatching(/^approved algorithms only: no; MD5, ChaCha20-Poly1305 are computed too/),
    })
  })

  it('is not taken in by `setFips`, which succeeds without a provider', () => {
    const probe = fileURLToPath(new URL('fips-check.ts', import.meta.url))
    const script = `import { getFips, setFips } from 'node:crypto'; import { fipsCheck } from ${JSON.stringify(probe)}; setFips(true); console.log(JSON.stringify([getFips(), fipsCheck()]))`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    const [claimed, finding] = JSON.parse(stdout || `["${stderr}"]`) as [number, { state: string; detail: string }]
    expect(claimed).toBe(1)
    expect([finding.state, finding.detail.startsWith('approved algorithms only: no; AES-256-GCM')]).toEqual(['problem', true])
    expect(finding.detail).toContain('node says FIPS mode on')
  })
})
