import { random } from './values.ts'

/** Lines as servers write them, without anybody's data: what a filter flags here is a false alarm. */
export function logLines(seed: number, characters: number): string {
  const next = random(seed)
  const hex = (length: number): string => Array.from({ length }, () => next(16).toString(16)).join('')
  const two = (value: number): string => String(value).padStart(2, '0')
  let text = ''
  for (let i = 0; text.length < characters; i++) {
    const time = `2026-${two(1 + next(12))}-${two(1 + next(28))}T${two(next(24))}:${two(next(60))}:${two(next(60))}.${String(next(1000)).padStart(3, '0')}Z`
    const line = [
      `${time} INFO  worker-${next(16)} finished job ${next(1_000_000_000)} in ${next(5000)} ms, rss=${next(900_000_000)}`,
      `${time} WARN  pool size=${next(64)} waiting=${next(300)} trace=${hex(32)} span=${hex(16)}`,
      `${time} ERROR request ${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(12)} failed: timeout after ${next(30_000)} ms (attempt ${1 + next(5)}/5)`,
      `[${next(100_000)}.${next(999_999)}] eth0: link up, ${next(10) * 100} Mbps, irq ${next(200)}, dma 0x${hex(8)}`,
      `${time} DEBUG cache hit ratio 0.${next(1_000_000_000)} keys=${next(10_000_000)} evicted=${next(1_000_000)} sha256:${hex(64)}`,
      `GET /api/v${1 + next(3)}/items/${next(1_000_000_000)}?page=${next(90)} HTTP/1.1 ${200 + next(300)} ${next(100_000_000)}`,
    ][i % 6]!
    text += `${line}\n`
  }
  return text
}
