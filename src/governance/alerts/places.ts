import type { AlertsConfig } from './config.ts'
import { mailPlace } from './mail.ts'
import type { AlertPlace, PlaceOptions } from './place.ts'
import { webhookPlace } from './webhook.ts'

/** Where the configuration sends alerts. @throws {RedoubtError} `ERR_CONFIG_SECRET`, `ERR_CONFIG_INVALID`: better at the start than when it burns. */
export function alertPlaces(config: Pick<AlertsConfig, 'webhooks' | 'mail'>, options: PlaceOptions): readonly AlertPlace[] {
  return [...config.webhooks.map((place) => webhookPlace(place, options)), ...config.mail.map((place) => mailPlace(place, options))]
}
