import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { accuracy, readCells, ServedHouse } from './served-model.ts'

interface Row {
  readonly what: string
  readonly value: number
  readonly target: number
  readonly ok: boolean
}

const TARGETS = { logistic: 0.845, mlp: 0.85 } as const

/** The promise on Adult, kept the way a client would see it: the test file's rows, 1,000 a call, over TLS, through every control. */
export async function evaluateServed(): Promise<readonly Row[]> {
  const folder = `${process.env['REDOUBT_SHARED'] ?? fileURLToPath(new URL('../../../shared', import.meta.url))}/data/tabular`
  const training = join(folder, 'adult_train.csv')
  const test = join(folder, 'adult_test.csv')
  for (const path of [training, test]) if (!existsSync(path)) throw new Error(`the evaluation needs ${path}`)
  const unseen = readCells(readFileSync(test, 'utf8'))
  const house = new ServedHouse()
  try {
    await house.start()
    const facts = ['--label', 'label', '--sensitivity', 'restricted', '--purpose', 'credit-scoring', '--legal-basis', 'contract']
    house.command('data', 'import', training, '--name', 'adult', ...facts)
    house.actAs('evaluator', 'credit-scoring')
    const rows: Row[] = []
    for (const [algorithm, target] of Object.entries(TARGETS)) {
      const name = `adult-${algorithm}`
      house.command('model', 'train', '--dataset', 'adult', '--algorithm', algorithm, '--name', name)
      house.command('model', 'deploy', name)
      const value = accuracy(await house.infer(name, unseen), unseen, 'label')
      rows.push({
        what: `adult ${algorithm} through the API: test accuracy, n = ${unseen.rows.length}`,
        value,
        target,
        ok: value >= target,
      })
    }
    return rows
  } finally {
    await house.close()
  }
}
