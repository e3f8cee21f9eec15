export interface ModelEntry {
  readonly id: string
  /** Epoch seconds. */
  readonly created: number
  readonly ownedBy: string
}

/** The body of `GET /v1/models`. */
export function renderModelList(models: readonly ModelEntry[]): string {
  return JSON.stringify({ object: 'list', data: models.map(toModel) })
}

/** The body of `GET /v1/models/{model}`. */
export function renderModel(model: ModelEntry): string {
  return JSON.stringify(toModel(model))
}

function toModel({ id, created, ownedBy }: ModelEntry): Readonly<Record<string, string | number>> {
  return { id, object: 'model', created, owned_by: ownedBy }
}
