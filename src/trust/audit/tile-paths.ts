/** C2SP tlog-tiles: paths of tiles, entry bundles and, beside them, our sealed bodies. */
export const TILE_WIDTH = 256
export const CHECKPOINT_PATH = 'checkpoint'
/** Where the last checkpoint of a key that was replaced stays, signed by it and by the next one. */
export const succeededPath = (keyId: number): string => `checkpoint-${keyId.toString(16).padStart(8, '0')}`
export const isSucceededPath = (path: string): boolean => /^checkpoint-[0-9a-f]{8}$/.test(path)
/** Most digits groups a path may have: 3 groups of three digits per 10^9, five reach past 2^49 entries per tile. */
const MAX_GROUPS = 5
const MAX_LEVEL = 6

export type TileKind = 'entries' | 'bodies' | number

export interface TileName {
  /** A tile level, `entries` or `bodies`. */
  readonly kind: TileKind
  readonly index: number
  /** 1 to 256; 256 is a full tile. */
  readonly width: number
}

export function tilePath({ kind, index, width }: TileName): string {
  let path = String(index % 1000).padStart(3, '0')
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000))
    path = `x${String(rest % 1000).padStart(3, '0')}/${path}`
  const root = kind === 'bodies' ? 'bodies' : `tile/${kind}`
  return `${root}/${path}${width === TILE_WIDTH ? '' : `.p/${width}`}`
}

/** @returns null for anything that is not the one canonical spelling of a tile path. */
export function parseTilePath(path: string): TileName | null {
  const match = /^(?:tile\/(entries|0|[1-9]\d?)|(bodies))\/((?:x\d{3}\/)*)(\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(path)
  if (!match) return null
  const [, kindText, bodies, upper = '', last = '', widthText] = match
  const groups = upper.split('/').filter((group) => group !== '')
  if (groups.length >= MAX_GROUPS || groups[0] === 'x000') return null
  const index = Number([...groups.map((group) => group.slice(1)), last].join(''))
  const kind = bodies ? 'bodies' : kindText === 'entries' ? 'entries' : Number(kindText)
  const width = widthText === undefined ? TILE_WIDTH : Number(widthText)
  if (!Number.isSafeInteger(index) || (widthText !== undefined && width >= TILE_WIDTH)) return null
  if (typeof kind === 'number' && kind > MAX_LEVEL) return null
  return { kind, index, width }
}

/** How many rows a tile level has in a tree of `size` leaves: floor(size / 256^level). Entries and bodies are level 0. */
export function rowsAt(kind: TileKind, size: number): number {
  return Math.floor(size / TILE_WIDTH ** (typeof kind === 'number' ? kind : 0))
}

/** The width the tile has in a tree of `size` leaves; 0 when it does not exist yet. */
export function widthAt(kind: TileKind, index: number, size: number): number {
  return Math.max(0, Math.min(TILE_WIDTH, rowsAt(kind, size) - index * TILE_WIDTH))
}

/** The hash tiles that stay partial in a tree of `size` leaves, lowest level first. */
export function partialTiles(size: number): TileName[] {
  const names: TileName[] = []
  for (let level = 0; rowsAt(level, size) > 0; level++) {
    const rows = rowsAt(level, size)
    if (rows % TILE_WIDTH !== 0) names.push({ kind: level, index: Math.floor(rows / TILE_WIDTH), width: rows % TILE_WIDTH })
  }
  return names
}

/** Paths of all partial files that a tree of this size may have, entries and bodies included. */
export function partialPaths(size: number): string[] {
  const names = partialTiles(size)
  const width = size % TILE_WIDTH
  const index = Math.floor(size / TILE_WIDTH)
  if (width > 0) names.push({ kind: 'entries', index, width }, { kind: 'bodies', index, width })
  return names.map(tilePath)
}
