import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { type Answering, confirmed } from './confirmed.ts'
import { createOutput } from './output.ts'

function asked(answer: string | null, { isTTY = true, json = false } = {}) {
  let err = ''
  const output = createOutput(json, { writeOut: () => undefined, writeErr: (text) => void (err += text) })
  const answering: Answering = Object.assign(new PassThrough(), { isTTY })
  answering.push(answer)
  if (answer !== null) answering.push(null)
  const refused = confirmed(output, 'all of it goes', 'person-7', answering).then(
    () => null,
    (error: { code: string; message: string }) => `${error.code} ${error.message}`,
  )
  return refused.then((result) => ({ result, err }))
}

describe('what cannot be undone is confirmed (A7)', () => {
  it('by typing the word, after the warning', async () => {
    const { result, err } = await asked('person-7\n')
    expect([result, err]).toEqual([null, 'all of it goes\nType `person-7` to go on:\n'])
  })

  it('by nothing else', async () => {
    for (const answer of ['y\n', 'yes\n', '\n', 'person-70\n', 'no\nperson-7\n', null])
      expect((await asked(answer)).result).toMatch(/^ERR_USAGE not confirmed/)
  })

  it('not by a pipe, nor where JSON is wanted', async () => {
    for (const way of [{ isTTY: false }, { json: true }]) expect((await asked('person-7\n', way)).result).toMatch(/^ERR_USAGE .*--yes/)
  })
})
