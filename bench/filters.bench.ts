import { compilePlan, createRedactor, ENTITIES, scanText } from '#gateway/filters'
import type { Row } from './row.ts'

const PROSE =
  'The patient was admitted on Monday with mild symptoms; blood pressure and pulse were normal, and the second examination in March 2024 showed no change. ' +
  'Please forward the report to the department, which will answer within 14 days (see section 3.2 of the agreement), and keep a copy for the file. '
/** One in about seven characters belongs to a value or a look-alike. */
const VALUES =
  'Contact jane.doe@example.com or +44 20 7946 0958, card 4111 1111 1111 1111, IBAN GB29 NWBK 6016 1331 9268 19, SSN 521-44-9382, host 192.168.0.1, order 4111111111111112. '
const SIZE = 10_000_000
const DELTA_UNITS = 20
const REPETITIONS = 5

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!
}

/** Milliseconds of CPU, median of `REPETITIONS` after one to warm up. */
function cost(run: () => void): number {
  run()
  const times: number[] = []
  for (let i = 0; i < REPETITIONS; i++) {
    const before = process.cpuUsage()
    run()
    const { user, system } = process.cpuUsage(before)
    times.push((user + system) / 1000)
  }
  return median(times)
}

export const benchmark = {
  name: 'filters',
  async run(): Promise<readonly Row[]> {
    const plan = compilePlan({ default: 'mask' })
    const block = PROSE.repeat(3) + VALUES
    const mixed = block.repeat(Math.ceil(SIZE / block.length)).slice(0, SIZE)
    const prose = PROSE.repeat(Math.ceil(SIZE / PROSE.length)).slice(0, SIZE)
    const perSecond = (text: string): number => text.length / 1e6 / (cost(() => void scanText(text, plan)) / 1000)
    const deltas: string[] = []
    for (let at = 0; at < SIZE / 5; at += DELTA_UNITS) deltas.push(mixed.slice(at, at + DELTA_UNITS))
    const perDelta = cost(() => {
      const redactor = createRedactor(plan)
      for (const delta of deltas) redactor.push(delta)
      redactor.flush()
    })
    const held: number[] = []
    const redactor = createRedactor(plan)
    for (const delta of deltas) {
      redactor.push(delta)
      held.push(redactor.heldBack)
    }
    held.sort((a, b) => a - b)
    const note = `${ENTITIES.size} entities, all on, one core`
    return [
      {
        what: 'filters: whole text, 85 % prose and 15 % values',
        value: perSecond(mixed),
        unit: 'MB/s',
        target: 20,
        comparator: '>=',
        note,
      },
      { what: 'filters: whole text, prose', value: perSecond(prose), unit: 'MB/s', target: 20, comparator: '>=', note },
      {
        what: `filters: stream, CPU a delta of ${DELTA_UNITS} characters`,
        value: (perDelta * 1000) / deltas.length,
        unit: 'µs',
        target: 10,
        comparator: '<=',
        note,
      },
      {
        what: 'filters: stream, characters held back after a delta, p99',
        value: held[Math.floor(held.length * 0.99)]!,
        unit: 'chars',
        target: 64,
        comparator: '<=',
      },
    ]
  },
}
