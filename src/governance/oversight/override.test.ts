import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JsonObject, JsonValue, RedoubtError } from '#foundation/core'
import { overriddenAnswer } from './override.ts'

const SEED = 20261127
const value = fc.oneof(fc.integer(), fc.double({ noNaN: true }), fc.string(), fc.boolean())
const output = fc.record({ name: fc.constantFrom('label', 'score', '__proto__'), data: fc.array(value, { maxLength: 4 }) })

describe('D10: an override', () => {
  it('has the form of what it stands for, whatever it and that are', () => {
    const body = fc.oneof(fc.record({ outputs: fc.array(output, { maxLength: 3 }) }), fc.jsonValue({ maxDepth: 3 }))
    const outputs = fc.dictionary(fc.constantFrom('label', 'score', 'other', '__proto__'), fc.array(value, { maxLength: 4 }), {
      maxKeys: 3,
    })
    fc.assert(
      fc.property(body, outputs, (held, override) => {
        let answer: JsonObject
        try {
          answer = overriddenAnswer({ outputs: override }, held as JsonValue)
        } catch (thrown) {
          expect((thrown as RedoubtError).code).toBe('ERR_INPUT_INVALID')
          return
        }
        const before = (held as { outputs: { name: string; data: unknown[] }[] }).outputs
        const after = answer['outputs'] as unknown as { name: string; data: unknown[] }[]
        expect(after.map(({ name }) => name)).toEqual(Object.keys(override))
        for (const { name, data } of after) {
          const was = before.find((one) => one.name === name)!
          expect(data.map((one) => typeof one)).toEqual(was.data.map((one) => typeof one))
        }
      }),
      { seed: SEED, numRuns: 500 },
    )
  })

  it('says nothing of the values that are held', () => {
    const held = { outputs: [{ name: 'label', data: ['canary-1'] }] }
    for (const outputs of [{ other: ['x'] }, { label: [true] }, { label: [] }, {}])
      expect(() => overriddenAnswer({ outputs }, held)).toThrow(
        expect.not.objectContaining({ message: expect.stringContaining('canary') as string }),
      )
    expect(overriddenAnswer({ outputs: { label: [0] } }, held)).toEqual({ outputs: [{ name: 'label', data: ['0'] }] })
    expect(overriddenAnswer({ text: 't' }, held)).toEqual({ text: 't' })
  })
})
