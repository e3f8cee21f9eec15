import type { UnreadableKind } from '#foundation/core'
import type { Branch, Tree } from '../chat-completions/texts.ts'
import { invalid, isBranch, object, text } from '../request-members.ts'
import { RESULT_BLOCKS, serverToolKind } from '../tools/hosted.ts'

const MAX_BLOCKS = 1024
const MAX_IDENTIFIER_LENGTH = 512
const ANY_LENGTH = Number.MAX_SAFE_INTEGER

/** Is told of each block that no filter can look into. */
export type Opaque = (block: Branch, kind: UnreadableKind, param: string) => void

type Check = (block: Branch, at: string, opaque: Opaque) => void

const texts =
  (...members: readonly string[]): Check =>
  (block, at) => {
    for (const member of members) text(block[member], `${at}.${member}`, ANY_LENGTH)
  }

const CIPHER = ['encrypted_content', 'encrypted_stdout'] as const

/** The blocks that are understood, by type; any other is refused. */
const BLOCKS: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['text', texts('text')],
  ['thinking', texts('thinking', 'signature')],
  ['redacted_thinking', texts('data')],
  [
    'tool_use',
    (block, at) => {
      for (const member of ['id', 'name']) text(block[member], `${at}.${member}`, MAX_IDENTIFIER_LENGTH)
      if (!isBranch(block['input'])) throw invalid('the input of a tool is not an object', `${at}.input`)
    },
  ],
  [
    'tool_result',
    (block, at, opaque) => {
      text(block['tool_use_id'], `${at}.tool_use_id`, MAX_IDENTIFIER_LENGTH)
      if ((block['content'] ?? null) !== null) checkContent(block['content'], `${at}.content`, opaque)
    },
  ],
  [
    'search_result',
    (block, at, opaque) => {
      texts('title', 'source')(block, at, opaque)
      checkContent(block['content'], `${at}.content`, opaque)
    },
  ],
  [
    'server_tool_use',
    (block, at) => {
      text(block['id'], `${at}.id`, MAX_IDENTIFIER_LENGTH)
      if (serverToolKind(block['name']) === null) throw invalid('the upstream has no such tool', `${at}.name`)
      if (!isBranch(block['input'])) throw invalid('the input of a tool is not an object', `${at}.input`)
    },
  ],
  ...RESULT_BLOCKS.map((type): [string, Check] => [
    type,
    (block, at, opaque) => {
      text(block['tool_use_id'], `${at}.tool_use_id`, MAX_IDENTIFIER_LENGTH)
      checkResult(block['content'], `${at}.content`, opaque)
    },
  ]),
  ['image', (block, at, opaque) => opaque(block, 'image', `${at}.type`)],
  [
    'document',
    (block, at, opaque) => {
      const source = object(block['source'], `${at}.source`)
      if (source?.['type'] === 'text') text(source['data'], `${at}.source.data`, ANY_LENGTH)
      else if (source?.['type'] === 'content') checkContent(source['content'], `${at}.source.content`, opaque)
      else opaque(block, 'file', `${at}.type`)
    },
  ],
])

/** The members of an opaque block that carry what cannot be read. */
export const OPAQUE_MEMBERS: ReadonlySet<string> = new Set(['source', ...CIPHER])

/** What a tool brought that the upstream ran. Pages and outputs that come back as cipher are read by the model, and by no filter. */
function checkResult(content: Tree | undefined, at: string, opaque: Opaque): void {
  if (Array.isArray(content)) {
    if (content.length > MAX_BLOCKS) throw invalid(`there are more than ${MAX_BLOCKS} results`, at)
    for (const [i, item] of content.entries()) checkResult(item, `${at}[${i}]`, opaque)
    return
  }
  if (!isBranch(content)) throw invalid('a result is not an object', at)
  if (CIPHER.some((member) => (content[member] ?? null) !== null)) opaque(content, 'file', `${at}.type`)
  const inner = content['content']
  if (content['type'] === 'document') checkContent([content], at, opaque)
  else if (inner !== undefined && typeof inner !== 'string' && inner !== null) checkResult(inner, `${at}.content`, opaque)
}

/** @throws {RedoubtError} `ERR_INPUT_INVALID` for what is neither a text nor blocks of known types. */
export function checkContent(content: Tree | undefined, place: string, opaque: Opaque): void {
  if (typeof content === 'string') return
  if (content === undefined || content === null) throw invalid('the content is missing', place)
  if (!Array.isArray(content)) throw invalid('the content is neither a text nor an array of blocks', place)
  if (content.length > MAX_BLOCKS) throw invalid(`there are more than ${MAX_BLOCKS} blocks`, place)
  for (const [i, block] of content.entries()) {
    const at = `${place}[${i}]`
    if (!isBranch(block)) throw invalid('a block is not an object', at)
    const check = typeof block['type'] === 'string' ? BLOCKS.get(block['type']) : undefined
    if (check === undefined) throw invalid('the block is of no known type', `${at}.type`)
    check(block, at, opaque)
  }
}
