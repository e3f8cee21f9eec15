import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { EXIT, run } from '../program.ts'

interface Failure {
  readonly id: string
  readonly text: string
  readonly expected: 'found' | 'nothing'
}

/** `redoubt filter test`: runs the examples that are written beside recognisers. */
export function filterTestCommand(): Command {
  return new Command('test')
    .description('check a file of recognisers of your own, and run the positives and negatives in it')
    .argument('<file>', 'a YAML file of recognisers')
    .action(
      run(async ({ output }, _options, file = '') => {
        const { compilePlan, loadRecognisers, scanText } = await import('#gateway/filters')
        const { recognisers, cases } = loadRecognisers(readFileSync(file, 'utf8'), file)
        const failures: Failure[] = []
        let run = 0
        for (const [i, { id, entity, positives, negatives }] of cases.entries()) {
          const plan = compilePlan({ [entity]: 'mask' }, { own: [recognisers[i]!] })
          const finds = (text: string): boolean => scanText(text, plan).findings.some((finding) => finding.entity === entity)
          for (const text of positives) if (!finds(text)) failures.push({ id, text, expected: 'found' })
          for (const text of negatives) if (finds(text)) failures.push({ id, text, expected: 'nothing' })
          run += positives.length + negatives.length
        }
        const untested = cases.filter(({ positives, negatives }) => positives.length === 0 || negatives.length === 0).map(({ id }) => id)
        const words = [
          ...failures.map(({ id, text, expected }) => `${id}: ${expected === 'found' ? 'finds nothing' : 'finds a value'} in \`${text}\``),
          ...untested.map((id) => `${id}: has no examples of both kinds`),
          `${cases.length} recognisers, ${run} examples, ${failures.length} of them wrong`,
        ]
        output.result({ ok: failures.length === 0, recognisers: cases.length, examples: run, failures, untested }, words.join('\n'))
        return failures.length > 0 ? EXIT.refused : EXIT.done
      }),
    )
}
