import { describe, expect, it } from 'vitest'
import { FILTER_ACTIONS, type FilterAction, stricterAction } from './filter-actions.ts'

describe('actions of filters (C6)', () => {
  const all = (work: (a: FilterAction, b: FilterAction, c: FilterAction) => void): void => {
    for (const a of FILTER_ACTIONS) for (const b of FILTER_ACTIONS) for (const c of FILTER_ACTIONS) work(a, b, c)
  }

  it('the stricter of two is the same in every order and grouping', () => {
    all((a, b, c) => {
      expect(stricterAction(a, a)).toBe(a)
      expect(stricterAction(a, b)).toBe(stricterAction(b, a))
      expect(stricterAction(stricterAction(a, b), c), `${a} ${b} ${c}`).toBe(stricterAction(a, stricterAction(b, c)))
    })
  })

  /** What whoever receives the text learns of the value, or can learn later; nothing of `block`. */
  const LEFT: Readonly<Record<FilterAction, readonly string[]>> = {
    allow: ['value', 'form', 'part', 'same', 'back', 'kind', 'uncounted'],
    log: ['value', 'form', 'part', 'same', 'back', 'kind'],
    tokenise: ['back', 'kind'],
    surrogate: ['form', 'kind'],
    partial: ['part', 'kind'],
    hash: ['same', 'kind'],
    mask: ['kind'],
    review: [],
    block: [],
  }

  it('of two leaves of a value only what both of them leave', () => {
    all((a, b) => {
      const left = LEFT[stricterAction(a, b)]
      expect(
        left.filter((thing) => !LEFT[a].includes(thing) || !LEFT[b].includes(thing)),
        `${a} ${b}`,
      ).toEqual([])
    })
  })

  it('two that leave different things leave neither', () => {
    expect(stricterAction('partial', 'hash')).toBe('mask')
    expect(stricterAction('tokenise', 'surrogate')).toBe('mask')
    expect(stricterAction('log', 'partial')).toBe('partial')
    expect(stricterAction('review', 'mask')).toBe('review')
    expect(stricterAction('block', 'review')).toBe('block')
  })
})
