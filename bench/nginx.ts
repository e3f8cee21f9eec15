import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchProcess } from './load.ts'
import type { TestCertificates } from './test-certificates.ts'

export interface NginxOptions {
  readonly folder: string
  readonly port: number
  readonly upstreamPort: number
  /** `http` when nginx only ends the TLS of callers; `https` when nothing is said. */
  readonly upstreamScheme?: 'http' | 'https'
  readonly certificates: TestCertificates
}

/** One worker, TLS 1.3 on both sides, connections kept, nothing buffered that a stream would wait for, no access log; idle connections end before Node's servers end them. */
const configuration = (folder: string, { port, upstreamPort, upstreamScheme = 'https', certificates }: NginxOptions): string => `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 2048; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  keepalive_timeout 60s;
  keepalive_requests 1000000;
  upstream mock { server 127.0.0.1:${upstreamPort}; keepalive 256; keepalive_requests 1000000; keepalive_timeout 4s; }
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${certificates.cert};
    ssl_certificate_key ${certificates.key};
    ssl_protocols TLSv1.3;
    location / {
      proxy_pass ${upstreamScheme}://mock;
      proxy_http_version 1.1;
      proxy_set_header connection "";
      proxy_set_header host localhost;
      proxy_buffering off;
      proxy_ssl_protocols TLSv1.3;
      proxy_ssl_trusted_certificate ${certificates.ca};
      proxy_ssl_verify on;
      proxy_ssl_name localhost;
      proxy_ssl_server_name on;
    }
  }
}
`

/** Starts nginx as a reverse proxy. @returns the process that proxies, which is the worker, not its master. */
export async function startNginx(options: NginxOptions): Promise<BenchProcess> {
  const folder = join(options.folder, 'nginx')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, configuration(folder, options))
  const child: ChildProcess = spawn('nginx', ['-p', folder, '-c', file, '-e', 'stderr'], { stdio: ['ignore', 'ignore', 'inherit'] })
  const exited = once(child, 'exit')
  await Promise.race([answering(options.port), exited.then(() => Promise.reject(new Error('nginx ended before it served')))])
  const pid = workerOf(child.pid ?? 0)
  return {
    port: options.port,
    pid,
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
}

async function answering(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return
    } catch {
      await sleep(50)
    } finally {
      socket.destroy()
    }
  }
  throw new Error('nginx does not answer')
}

function workerOf(master: number): number {
  const children = readFileSync(`/proc/${master}/task/${master}/children`, 'latin1').trim().split(' ')
  return Number(children[0])
}
