import { Socket } from 'node:net'
import { loadCryptoki } from './cryptoki.ts'
import { serveToken } from './serve-token.ts'

/**
 * The process that talks to the HSM: the maker's library is native code, and where it crashes the gateway must not.
 * Its one channel is descriptor 3; it ends when the channel does.
 */
const CHANNEL = 3

const channel = new Socket({ fd: CHANNEL, readable: true, writable: true })
// An orderly exit would wait for threads that wait for the HSM, and run what the library does at its end.
const end = (): void => void process.kill(process.pid, 'SIGKILL')
channel.on('close', end)
channel.on('error', end)
serveToken(channel, loadCryptoki)
