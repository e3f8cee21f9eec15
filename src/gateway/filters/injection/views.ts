import { decodings } from './decode.ts'
import { foldText, undoDisguise } from './normalise.ts'

/** One way to read a text. */
export interface View {
  readonly text: string
  /** What was undone to get here, outermost first: `base64`, `url`, `disguise` … */
  readonly path: readonly string[]
  /** Where in the raw text it stands, in UTF-16 units, end exclusive. */
  readonly start: number
  readonly end: number
  /** Offset in the raw text of a unit of this view; the start of the whole stretch where something was decoded. */
  readonly offsetOf: (index: number) => number
  /** Invisible tag characters that were written out. */
  readonly tags: number
}

/** Encodings inside encodings. */
const DEEPEST = 3
/** Most views of a text, and most units of all that is decoded: beyond, nothing more is decoded. */
const MOST_VIEWS = 64
const MOST_DECODED = 1 << 20

/** The text as it reads, then as it reads with disguises undone and encodings decoded, recursively and within bounds. */
export function viewsOf(raw: string): readonly View[] {
  const views: View[] = []
  const folded = foldText(raw)
  const { origin } = folded
  views.push({
    text: folded.text,
    path: [],
    start: 0,
    end: raw.length,
    offsetOf: origin === null ? (index) => index : (index) => origin[Math.min(index, origin.length - 1)]!,
    tags: folded.tags,
  })
  let decodedUnits = 0
  // Each new view is searched in its turn, which is the recursion.
  for (let at = 0; at < views.length; at++) {
    const view = views[at]!
    if (view.path.length >= DEEPEST) continue
    const add = (text: string, step: string, start: number, end: number): void => {
      if (views.length >= MOST_VIEWS || decodedUnits + text.length > MOST_DECODED) return
      decodedUnits += text.length
      const inner = foldText(text)
      views.push({ text: inner.text, path: [...view.path, step], start, end, offsetOf: () => start, tags: inner.tags })
    }
    if (!view.path.includes('disguise')) {
      const undone = undoDisguise(view.text)
      if (undone !== null) add(undone, 'disguise', view.start, view.end)
    }
    for (const { text, start, end, encoding } of decodings(view.text)) {
      const nested = view.path.length > 0
      add(text, encoding, nested ? view.start : view.offsetOf(start), nested ? view.end : view.offsetOf(end))
    }
  }
  return views
}
