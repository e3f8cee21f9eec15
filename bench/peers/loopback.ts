/**
 * Loaded by `--import` before a peer that can only be told its port: it is reached from this machine alone, and prints `{"port":…}` when it is.
 * Only the call that such a peer makes is known; any other throws, so that nothing listens elsewhere.
 */
import { type AddressInfo, Server } from 'node:net'

// oxlint-disable-next-line typescript/unbound-method -- called with the server that it is called on
const { listen } = Server.prototype

Server.prototype.listen = function onLoopback(this: Server, port?: unknown, host?: unknown, done?: unknown): Server {
  if (typeof port !== 'number' || host !== undefined || typeof done !== 'function')
    throw new Error('a peer listens in a way that cannot be kept to this machine')
  return listen.call(this, { port, host: '127.0.0.1' }, () => {
    console.log(JSON.stringify({ port: (this.address() as AddressInfo).port }))
    ;(done as () => void)()
  })
}
