import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatSse, type SseEvent, SseParser } from './sse.ts'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

function parse(bytes: Uint8Array, cuts: readonly number[] = []): SseEvent[] {
  const parser = new SseParser()
  const events: SseEvent[] = []
  let from = 0
  for (const cut of [...cuts, bytes.length]) {
    events.push(...parser.push(bytes.subarray(from, cut)))
    from = cut
  }
  return events
}

describe('SseParser', () => {
  it('reads data, event names and several data lines (HTML §9.2.6)', () => {
    expect(parse(encode('event: error\ndata: a\ndata:b\ndata\ndata:  c\n\n'))).toEqual([{ event: 'error', data: 'a\nb\n\n c' }])
  })

  it('passes over comments, ids, retries and unknown fields', () => {
    expect(parse(encode(': keep-alive\n\nid: 7\nretry: 10\nfoo: x\n\ndata: y\n\n'))).toEqual([{ event: '', data: 'y' }])
  })

  it('takes LF, CRLF and CR as line ends alike', () => {
    for (const end of ['\n', '\r\n', '\r']) {
      const text = ['data: 1', 'data: 2', '', 'data: 3', '', ''].join(end)
      expect(parse(encode(text)), JSON.stringify(end)).toEqual([
        { event: '', data: '1\n2' },
        { event: '', data: '3' },
      ])
    }
  })

  it('drops a leading byte order mark and keeps an event that never ended to itself', () => {
    const parser = new SseParser()
    expect(parser.push(encode('\uFEFFdata: a\n\ndata: b'))).toEqual([{ event: '', data: 'a' }])
    expect(parser.unfinished).toBe(true)
  })

  it('gives the same events byte by byte and for every way of cutting the stream', () => {
    const line = fc.oneof(
      fc.constantFrom(
        'data: é漢😀',
        'data:',
        'data',
        'event: error',
        ': comment',
        '',
        '',
        'data: x:y',
        'id: 1',
        ' data: z',
        'data: [DONE]',
      ),
      fc.string({ unit: 'binary', maxLength: 12 }),
    )
    const stream = fc.array(fc.tuple(line, fc.constantFrom('\n', '\r\n', '\r')), { maxLength: 30 })
    fc.assert(
      fc.property(stream, fc.infiniteStream(fc.nat(9)), (lines, steps) => {
        const bytes = encode(lines.map(([text, end]) => text + end).join(''))
        const whole = parse(bytes)
        expect(parse(bytes, Array.from(bytes.keys()))).toEqual(whole)
        const cuts: number[] = []
        for (let at = 0; at < bytes.length; at += steps.next().value + 1) cuts.push(at)
        expect(parse(bytes, cuts)).toEqual(whole)
      }),
      { numRuns: 300 },
    )
  })

  it('takes any bytes without throwing anything but its own error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        parse(bytes)
      }),
      { numRuns: 500 },
    )
  })

  it('refuses an event beyond its bound, in one line or in many', () => {
    expect(() => new SseParser(64).push(encode(`data: ${'x'.repeat(65)}`))).toThrow('longer than 64')
    expect(() => new SseParser(64).push(encode('data: 123456789\n'.repeat(9)))).toThrow('longer than 64')
    const parser = new SseParser(64)
    expect(() => {
      for (let i = 0; i < 100; i++) parser.push(encode('x'))
    }).toThrow('longer than 64')
  })

  it('takes a million one-byte chunks in linear time', () => {
    const parser = new SseParser()
    const byte = encode('x')
    parser.push(encode('data: '))
    for (let i = 0; i < 1_000_000; i++) parser.push(byte)
    expect(parser.push(encode('\n\n'))[0]?.data.length).toBe(1_000_000)
  })
})

describe('formatSse', () => {
  it('can be read back, and data cannot forge an event', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (data) => {
        const events = parse(encode(formatSse(data, 'error')))
        expect(events).toEqual([{ event: 'error', data: data.replaceAll(/\r\n|\r/g, '\n') }])
      }),
    )
    expect(parse(encode(formatSse('a\n\ndata: forged')))).toHaveLength(1)
  })
})
