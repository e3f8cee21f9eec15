import { describe, expect, it } from 'vitest'
import { Lexicon } from './contexts.ts'
import { Segment } from './recogniser.ts'

const lexicon = new Lexicon()
lexicon.add('MRN', ['mrn', 'patient id', 'numéro de dossier', 'ICD10'])
lexicon.add('ID', ['身份证号', 'รหัส'])
const before = (text: string): Record<string, number> => Object.fromEntries(lexicon.before(new Segment(text, ''), text.length))

describe('context words (C9)', () => {
  it('reads phrases in any spelling of words: spaces, capital letters, marks, underscores', () => {
    for (const text of [
      'MRN ',
      'patient id: ',
      'patientId=',
      'PATIENT_ID ',
      'patient-id ',
      'Numero de Dossier n° ',
      'icd 10 ',
      'XMLPatientId ',
    ])
      expect(before(text), text).toEqual({ MRN: 0 })
  })
  it('counts the words between, without those that say nothing', () => {
    expect(before('MRN number is ')).toEqual({ MRN: 0 })
    expect(before('MRN of the red book ')).toEqual({ MRN: 2 })
  })
  it('finds phrases inside runs of scripts without spaces', () => {
    expect(before('我的身份证号码是')).toEqual({ ID: 0 })
    expect(before('รหัสของฉัน ')).toEqual({ ID: 0 })
  })
  it('takes no ends of words for words, neither inside a word nor at the edge of what is known', () => {
    expect(before('xmrn ')).toEqual({})
    expect(before('outpatient id ')).toEqual({})
    const known = 'mrn'.padStart(64, 'x').slice(-64)
    expect(lexicon.before(new Segment(' 12', known), 1).size).toBe(0)
  })
  it('reads what stands after, up to the line end, and no word that may go on', () => {
    expect([...lexicon.after(' is my mrn.')]).toEqual([['MRN', 0]])
    expect([...lexicon.after('\nmrn')]).toEqual([])
    expect([...lexicon.after('is the number of my own file: mrn'.slice(-32))]).toEqual([])
  })
})
