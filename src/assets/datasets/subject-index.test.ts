import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { findRows, SubjectIndexBuilder } from './subject-index.ts'

const pseudonym = (name: number): string => createHash('sha256').update(String(name)).digest('base64url')

it('finds exactly the rows of each subject, in order (property, B7)', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(30), { maxLength: 200 }), (subjects) => {
      const builder = new SubjectIndexBuilder()
      subjects.forEach((subject, row) => builder.add(pseudonym(subject), row))
      const index = builder.finish()
      for (let subject = 0; subject <= 31; subject++)
        expect(findRows(index, pseudonym(subject))).toEqual(subjects.flatMap((other, row) => (other === subject ? [row] : [])))
    }),
  )
})

it('grows past its first memory', () => {
  const builder = new SubjectIndexBuilder()
  for (let row = 0; row < 5000; row++) builder.add(pseudonym(row), row)
  const index = builder.finish()
  for (const row of [0, 1023, 1024, 4999]) expect(findRows(index, pseudonym(row))).toEqual([row])
})

it('tells apart pseudonyms that begin alike', () => {
  const builder = new SubjectIndexBuilder()
  const alike = [3, 1, 2].map((last) => Buffer.concat([Buffer.alloc(31, 7), Buffer.of(last)]).toString('base64url'))
  alike.forEach((name, row) => builder.add(name, row))
  expect(alike.map((name) => findRows(builder.finish(), name))).toEqual([[0], [1], [2]])
})

it('refuses an index that is cut off and a pseudonym of another length', () => {
  expect(() => findRows(new Uint8Array(35), pseudonym(1))).toThrow(RedoubtError)
  expect(() => new SubjectIndexBuilder().add('short', 1)).toThrow(RedoubtError)
})
