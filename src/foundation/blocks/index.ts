export { BlockReader, type BlockSource } from './block-reader.ts'
export { type BlockTarget, BlockWriter } from './block-writer.ts'
export { Descriptor } from './descriptor.ts'
export { BLOCK_BYTES } from './page-memory.ts'
