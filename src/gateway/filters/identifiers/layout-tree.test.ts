import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LayoutTree, NO_NODE } from './layout-tree.ts'

const SEED = Number(process.env['REDOUBT_SEED'] ?? 20_261_127)
const SIGNS = ' -./'

function found(tree: LayoutTree<string>, text: string): readonly string[] {
  let { root: node } = tree as { root: number }
  for (let i = 0; i < text.length && node !== NO_NODE; i++) node = tree.step(node, text.charCodeAt(i))
  return tree.rowsAt(node)
}

describe(`the tree of layouts, seed ${SEED}`, () => {
  it('has the rows of exactly the layouts that a text is written in, in order (C9)', () => {
    const layout = fc.stringMatching(/^[9A]{1,6}(?:[ \-./][9A]{1,5}){0,3}$/u)
    fc.assert(
      fc.property(
        fc.array(layout, { minLength: 1, maxLength: 300 }),
        fc.array(fc.stringMatching(/^[0-9a-zA-Z \-./€]{1,20}$/u)),
        (layouts, texts) => {
          const tree = new LayoutTree<string>()
          layouts.forEach((one, i) => tree.add(one, `${one} ${i}`))
          const layoutOf = (text: string): string => text.replaceAll(/[a-zA-Z]/gu, 'A').replaceAll(/[0-9]/gu, '9')
          for (const text of [...texts, ...layouts.map((one) => one.replaceAll('9', '4').replaceAll('A', 'q'))])
            expect(found(tree, text)).toEqual(layouts.flatMap((one, i) => (one === layoutOf(text) ? [`${one} ${i}`] : [])))
        },
      ),
      { seed: SEED, numRuns: 100 },
    )
  })

  it('refuses more signs than it has columns for', () => {
    const tree = new LayoutTree<string>()
    for (const sign of `${SIGNS}_:,;!?#+*`) tree.add(`9${sign}9`, sign)
    expect(() => tree.add('9%9', '%')).toThrow(RangeError)
  })
})
