/** Invented callers and their weeks: what they ask for when, from where and how often, by a seeded generator. */

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
/** Chance of an oddity an hour that could have one. */
const ODD = 0.1

export interface Ask {
  readonly at: number
  readonly address: string
  readonly endpoint: string
}

export interface Caller {
  readonly name: string
  /** Requests an hour, by local hour and weekday (0 Sunday). */
  rate(hour: number, weekday: number): number
  /** Addresses and endpoints with their shares. */
  readonly addresses: readonly (readonly [string, number])[]
  readonly endpoints: readonly (readonly [string, number])[]
  /** Chance that an idle hour next to a busy one is worked in. */
  readonly overtime: number
  /** Requests come in bursts of about so many within a minute. */
  readonly burst: number
  /** An hour (UTC) in which it never works; any where it always does. */
  readonly quiet: number
}

const office = (hour: number, weekday: number): boolean => weekday >= 1 && weekday <= 5 && hour >= 8 && hour < 18

export const CALLERS: readonly Caller[] = [
  {
    name: 'office service',
    rate: (hour, weekday) => (office(hour, weekday) ? 120 : 0),
    addresses: [
      ['10.1.2.10', 0.7],
      ['10.1.3.10', 0.3],
    ],
    endpoints: [
      ['Model/credit', 0.8],
      ['Model/fraud', 0.17],
      ['view Model', 0.03],
    ],
    overtime: 0.05,
    burst: 1,
    quiet: 3,
  },
  {
    name: 'steady service',
    rate: (hour) => 50 + 30 * Math.sin(((hour - 6) / 24) * 2 * Math.PI),
    addresses: [['10.1.2.20', 1]],
    endpoints: [
      ['Model/triage', 0.95],
      ['Endpoint/assistant', 0.05],
    ],
    overtime: 0,
    burst: 3,
    quiet: 3,
  },
  {
    name: 'nightly batch',
    rate: (hour) => (hour === 2 ? 1_000 : 0),
    addresses: [
      ['10.9.0.4', 0.5],
      ['10.9.1.4', 0.5],
    ],
    endpoints: [['Model/readmission', 1]],
    overtime: 0.1,
    burst: 50,
    quiet: 15,
  },
  {
    name: 'rare person',
    rate: (hour, weekday) => (office(hour, weekday) ? 4 : 0),
    addresses: [
      ['192.0.2.7', 0.6],
      ['198.51.100.9', 0.4],
    ],
    endpoints: [
      ['view Model', 0.5],
      ['view Dataset', 0.3],
      ['Model/credit', 0.15],
      ['deploy Model', 0.05],
    ],
    overtime: 0.1,
    burst: 2,
    quiet: 3,
  },
  {
    name: 'slow service',
    rate: (hour, weekday) => (office(hour, weekday) ? 3 : 0),
    addresses: [['10.1.2.30', 1]],
    endpoints: [
      ['Model/triage', 0.94],
      ['view Model', 0.06],
    ],
    overtime: 0.05,
    burst: 1,
    quiet: 3,
  },
]

/** mulberry32: the same numbers for the same seed. */
export function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Ordinary traffic of one caller, in order of time. @param from a full hour, UTC, which is the organisation's time here. */
export function* ordinary(caller: Caller, from: number, to: number, random: () => number): Generator<Ask> {
  for (let hourStart = from; hourStart < to; hourStart += HOUR_MS) {
    const date = new Date(hourStart)
    const [hour, weekday] = [date.getUTCHours(), date.getUTCDay()]
    let rate = caller.rate(hour, weekday)
    const next = Math.max(caller.rate((hour + 23) % 24, weekday), caller.rate((hour + 1) % 24, weekday))
    if (rate === 0 && next > 0 && random() < caller.overtime) rate = next / 4
    // Once in a few weeks somebody works on a weekend, from elsewhere, or tries something new; and there are busy days.
    if (rate === 0 && hour === 11 && random() < ODD) rate = caller.rate(hour, 3) / 2
    const address = rate > 0 && random() < ODD / 6 ? '10.77.1.1' : null
    const endpoint = rate > 0 && random() < ODD / 6 ? 'Model/new' : null
    if (random() < ODD / 6) rate *= 2
    // Days differ: log-normal, within a third and three times.
    rate *= Math.exp(0.35 * normal(random))
    const bursts = poisson(rate / caller.burst, random)
    const times: number[] = []
    for (let n = 0; n < bursts; n++) {
      const start = random() * (HOUR_MS - MINUTE_MS)
      const size = 1 + poisson(caller.burst - 1, random)
      for (let i = 0; i < size; i++) times.push(hourStart + start + random() * MINUTE_MS)
    }
    for (const at of times.sort((left, right) => left - right))
      yield { at: Math.floor(at), address: address ?? pick(caller.addresses, random), endpoint: endpoint ?? pick(caller.endpoints, random) }
  }
}

/** The thief of a caller's credentials: for an hour of its quiet hours, elsewhere, for something else, twenty times as fast. */
export function* intruder(caller: Caller, midnight: number, random: () => number): Generator<Ask> {
  const begin = midnight + caller.quiet * HOUR_MS
  let busiest = 0
  for (let hour = 0; hour < 168; hour++) busiest = Math.max(busiest, caller.rate(hour % 24, Math.floor(hour / 24)))
  const gap = HOUR_MS / (20 * busiest)
  for (let at = begin; at < begin + HOUR_MS; at += gap * (0.5 + random()))
    yield { at: Math.floor(at), address: '203.0.113.66', endpoint: 'export Dataset' }
}

function pick(shares: readonly (readonly [string, number])[], random: () => number): string {
  let left = random()
  for (const [name, share] of shares) if ((left -= share) < 0) return name
  return shares.at(-1)?.[0] ?? ''
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

function poisson(mean: number, random: () => number): number {
  if (mean <= 0) return 0
  if (mean > 50) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(random)))
  let count = 0
  for (let product = random(); product > Math.exp(-mean); product *= random()) count++
  return count
}
