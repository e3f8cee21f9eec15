import { defineConfig, type OxlintOverride } from 'oxlint'
import { mayImport } from './scripts/import-table.ts'

const rooms = Object.keys(mayImport)

// Each row repeats the door pattern, because an override replaces the rule.
const boundaries = Object.entries(mayImport).map(([from, to]): OxlintOverride => ({
  files: [`src/${from}/**`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          ...rooms
            .filter((room) => room !== from)
            .map((room) => ({ group: [`../**/${room.split('/').at(-1)}/**`], message: `enter by the #${room} door` })),
          { group: ['#*', '#*/**', ...to.map((room) => `!#${room}`)], message: `${from} may import: ${to.join(', ') || 'nothing'}` },
          { group: ['**/composition/**', '**/main.ts', '**/cli.ts'], message: 'nobody imports a composition root' },
        ],
      },
    ],
  },
}))

export default defineConfig({
  options: { typeAware: true },
  plugins: ['typescript', 'unicorn', 'import', 'promise', 'node', 'oxc'],
  categories: { correctness: 'error', suspicious: 'error' },
  rules: {
    'import/no-cycle': 'error',
    'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
    'typescript/no-explicit-any': 'error',
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/no-non-null-assertion': 'off',
    'typescript/no-unsafe-type-assertion': 'off',
    'typescript/consistent-type-imports': 'error',
    'no-underscore-dangle': 'off',
    'unicorn/no-array-sort': 'off',
    'unicorn/no-array-reverse': 'off',
    'unicorn/consistent-function-scoping': 'off',
    'import/no-unassigned-import': 'off',
    'import/no-named-as-default-member': 'off',
    'no-await-in-loop': 'off',
    'promise/always-return': 'off',
    'no-shadow': 'off',
    // Fastify awaits async handlers and turns their rejections into answers; the rule knows Express alone.
    'oxc/no-async-endpoint-handlers': 'off',
    eqeqeq: 'error',
    'no-eval': 'error',
  },
  overrides: [
    ...boundaries,
    {
      files: ['**/*.test.ts', '**/*.system.ts', 'test/**', 'bench/**'],
      rules: {
        'max-lines': 'off',
        'typescript/no-explicit-any': 'off',
        'typescript/no-misused-spread': 'off',
        'no-loss-of-precision': 'off',
      },
    },
  ],
})
