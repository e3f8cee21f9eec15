export { type Logger, createLogger, silentLogger } from './logger.ts'
export { Counter, Gauge, Histogram, Registry as MetricsRegistry } from 'prom-client'
