/** What one direct read or write moves. Half of it costs the system a third more a byte, twice as much a few per cent less. */
export const BLOCK_BYTES = 2_097_152
/** The strictest that Linux asks of memory, position and length of direct input and output. */
export const PAGE_BYTES = 4096
/** Blocks on pages at a time: two a file that is written, three a file that is read. Whoever comes later gets ordinary memory, and the page cache. */
const POOL_BLOCKS = 10
const WASM_PAGE_BYTES = 65_536

/** What is used of it here; TypeScript has its types with those of browsers only. */
declare const WebAssembly: { readonly Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer } }

interface Pool {
  readonly buffer: ArrayBuffer
  readonly free: Uint8Array[]
}

/** Held while a block of it is out; else it is there only until the memory is needed. */
let inUse: Pool | null = null
let idle: WeakRef<Pool> | null = null
/** Memory that is known to begin on a page. */
const onPages = new WeakSet<object>()

/** @returns `BLOCK_BYTES` of memory of unknown content, on a page's boundary while there is some. Give it back. */
export function takeBlock(): Uint8Array {
  const pool = inUse ?? idle?.deref() ?? newPool()
  const block = pool?.free.pop()
  if (pool === null || block === undefined) return Buffer.allocUnsafeSlow(BLOCK_BYTES)
  inUse = pool
  return block
}

/** The block may be handed to anyone from now on. @param used what was written to it, from its start: that is overwritten, for it may be secret. */
export function giveBack(block: Uint8Array, used: number): void {
  block.fill(0, 0, used)
  if (inUse === null || block.buffer !== inUse.buffer) return
  inUse.free.push(block)
  if (inUse.free.length < POOL_BLOCKS) return
  idle = new WeakRef(inUse)
  inUse = null
}

/** Whether a part of a file can go around the page cache. */
export function isOnPages(bytes: Uint8Array, position: number): boolean {
  return [bytes.byteOffset, bytes.byteLength, position].every((place) => place % PAGE_BYTES === 0) && onPages.has(bytes.buffer)
}

/** The memory of WebAssembly is whole pages of the system by definition; no other memory says where it begins. */
function newPool(): Pool | null {
  const pages = (POOL_BLOCKS * BLOCK_BYTES) / WASM_PAGE_BYTES
  let buffer: ArrayBuffer
  try {
    ;({ buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages }))
  } catch {
    // The address space is limited: ordinary memory does it, too.
    return null
  }
  onPages.add(buffer)
  return { buffer, free: Array.from({ length: POOL_BLOCKS }, (_, i) => new Uint8Array(buffer, i * BLOCK_BYTES, BLOCK_BYTES)) }
}
