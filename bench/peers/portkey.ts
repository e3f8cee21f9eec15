import { fileURLToPath } from 'node:url'
import { type BenchProcess, startProcess } from '../load.ts'

const server = new URL('node_modules/@portkey-ai/gateway/build/start-server.js', import.meta.url)
const loopback = fileURLToPath(new URL('loopback.ts', import.meta.url))

/** Starts Portkey's gateway as its makers publish it, without its pages, its guards or any check of callers. It speaks HTTP, on loopback alone. */
export function startPortkey({ folder, ca }: { readonly folder: string; readonly ca: string }): Promise<BenchProcess> {
  return startProcess(server, ['--headless', '--port=0'], {
    nodeArguments: ['--import', loopback],
    // Nothing of the caller's: no keys, no proxies, no options of Node.
    env: { NODE_ENV: 'production', NODE_EXTRA_CA_CERTS: ca },
    cwd: folder,
  })
}

/** What a caller tells it in place of a configuration: the dialect and the address of the upstream. */
export function portkeyHeaders(upstream: string): Readonly<Record<string, string>> {
  return { 'x-portkey-provider': 'openai', 'x-portkey-custom-host': `${upstream}/v1`, authorization: 'Bearer none' }
}
