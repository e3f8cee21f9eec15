import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Ran } from './named-tests.ts'
import { type Control, Proof, type Runs } from './proof.ts'

/** A room of three walls; each test notices one that is missing. */
const SOURCE = 'north east south'
const controlOf = (wall: string): Control => ({ control: wall, file: 'room', find: wall, replace: '-', test: 'room.test.ts', name: wall })
const [north, east, south] = ['north', 'east', 'south'].map(controlOf) as [Control, Control, Control]

interface Behaviour {
  /** Walls that no test looks at. */
  readonly unseen?: readonly string[]
  /** While this wall was missing, something was left in the process that turns these tests red. */
  readonly leaves?: Readonly<Record<string, readonly string[]>>
  /** The process is gone after a run without this wall. */
  readonly kills?: readonly string[]
  /** The test of this wall waits for ever without it. */
  readonly waits?: readonly string[]
  /** Not green to begin with. */
  readonly red?: readonly string[]
}

/** A process whose tests look at the file of walls, and forget nothing until it ends. */
class Process implements Runs {
  readonly changed = new Set<string>()
  readonly #folder: string
  readonly #behaviour: Behaviour
  readonly #left = new Set<string>()
  runs = 0
  ended = 0

  constructor(folder: string, behaviour: Behaviour) {
    this.#folder = folder
    this.#behaviour = behaviour
  }

  run(_test: string, names: readonly string[], timeoutMs: number): Promise<readonly Ran[]> {
    const { unseen = [], leaves = {}, kills = [], waits = [], red = [] } = this.#behaviour
    const room = readFileSync(join(this.#folder, 'room'), 'utf8')
    const missing = [north, east, south].map(({ name }) => name).filter((wall) => !room.includes(wall))
    const state = (name: string): Ran['state'] =>
      this.#left.has(name) || red.includes(name) || (missing.includes(name) && !unseen.includes(name)) ? 'failed' : 'passed'
    const ran = names.map((name): Ran => ({ name, state: state(name), ms: missing.some((wall) => waits.includes(wall)) ? timeoutMs : 1 }))
    this.runs++
    for (const wall of missing) for (const name of leaves[wall] ?? []) this.#left.add(name)
    if (missing.some((wall) => kills.includes(wall))) this.end()
    return Promise.resolve(ran)
  }

  end(): void {
    this.runs = 0
    this.ended++
    this.#left.clear()
  }
}

describe('controls are disabled one after the other', () => {
  const folder = mkdtempSync(join(tmpdir(), 'redoubt-proof-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  async function prove(behaviour: Behaviour, controls: readonly [Control, ...Control[]] = [north, east, south]) {
    writeFileSync(join(folder, 'room'), SOURCE)
    const process = new Process(folder, behaviour)
    const proof = new Proof(folder, process, controls)
    const problems = Object.fromEntries([...(await proof.run())].map(([{ control }, problem]) => [control, problem]))
    expect(readFileSync(join(folder, 'room'), 'utf8')).toBe(SOURCE)
    return { problems, alone: proof.alone, ended: process.ended }
  }

  it('in one process, when each turns its own test red', async () => {
    expect(await prove({})).toEqual({ problems: { north: null, east: null, south: null }, alone: 0, ended: 0 })
  })

  it('and one that no test notices is told', async () => {
    expect((await prove({ unseen: ['east'] })).problems).toEqual({ north: null, east: 'the test stays green', south: null })
  })

  it('and one that no test notices is told, though what another left behind turns its test red', async () => {
    const { problems, alone } = await prove({ unseen: ['east'], leaves: { north: ['east'] } })
    expect(problems).toEqual({ north: null, east: 'the test stays green', south: null })
    expect(alone).toBe(3)
  })

  it('and one that no test notices is told, though the process is gone that would show it', async () => {
    const { problems } = await prove({ unseen: ['east'], leaves: { north: ['east'] }, kills: ['south'] })
    expect(problems).toEqual({ north: null, east: 'the test stays green', south: null })
  })

  it('and one that ends its process is tried alone, unless it was the first', async () => {
    expect(await prove({ kills: ['north'] })).toMatchObject({ problems: { north: null, east: null, south: null }, alone: 0 })
    expect(await prove({ kills: ['south'] })).toMatchObject({ problems: { north: null, east: null, south: null }, alone: 1 })
  })

  it('and what waits for ever ends with its process', async () => {
    const { problems, ended } = await prove({ unseen: ['south'], waits: ['east'], leaves: { east: ['south'] } })
    expect(problems).toEqual({ north: null, east: null, south: 'the test stays green' })
    expect(ended).toBeGreaterThan(0)
  })

  it('and a test that is red to begin with, a name that no test has and a text that stands nowhere prove nothing', async () => {
    const nowhere = { ...south, find: 'west' }
    const { problems } = await prove({ red: ['east'] }, [north, east, nowhere])
    expect(problems).toEqual({
      north: null,
      east: 'the test is not green to begin with',
      south: 'the text to replace stands 0 times in the file',
    })
  })
})
