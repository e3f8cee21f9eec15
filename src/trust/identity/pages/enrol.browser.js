// The enrolment page: one form, five states, no framework. Runs under a policy that allows no inline code.
const states = ['ready', 'waiting', 'done', 'expired', 'error']
const element = (id) => document.getElementById(id)
let abort = null

function show(state) {
  for (const name of states) element(name).hidden = name !== state
  const title = element(`${state}-title`)
  element('status').textContent = title.textContent
  document.title = `${title.textContent} · Redoubt`
  if (state === 'ready') element('name').focus()
  else title.focus()
}

function fail(reason) {
  element('reason').textContent = reason
  show('error')
}

const toBytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')

async function call(step, body, signal) {
  const response = await fetch(`${location.pathname}/${step}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    credentials: 'omit',
    redirect: 'error',
    signal,
  })
  return { ok: response.ok, body: await response.json().catch(() => ({})) }
}

function creationOptions(json) {
  return {
    ...json,
    challenge: toBytes(json.challenge),
    user: { ...json.user, id: toBytes(json.user.id) },
    excludeCredentials: (json.excludeCredentials ?? []).map((one) => ({ ...one, id: toBytes(one.id) })),
  }
}

function registration(credential) {
  return {
    id: credential.id,
    rawId: toText(credential.rawId),
    type: credential.type,
    response: {
      clientDataJSON: toText(credential.response.clientDataJSON),
      attestationObject: toText(credential.response.attestationObject),
      transports: credential.response.getTransports?.() ?? [],
    },
  }
}

function refuse(body) {
  if (body.code === 'ERR_ENROLMENT_INVALID') show('expired')
  else if (body.code === 'ERR_WEBAUTHN') fail('The server could not verify the key. Try again with the same key.')
  else fail('The server could not answer. Try again in a moment.')
}

function explain(error) {
  if (error.name === 'NotAllowedError' || error.name === 'AbortError')
    return 'The request was cancelled or took too long. Nothing was changed.'
  if (error.name === 'InvalidStateError') return 'This key is registered already. Use another one.'
  if (error.name === 'SecurityError') return 'The browser does not allow keys at this address. Open the link exactly as it was printed.'
  if (error.name === 'ConstraintError' || error.name === 'NotSupportedError')
    return 'This key cannot check a PIN, fingerprint or face. Use one that can.'
  return 'The server could not be reached. Check the connection and try again.'
}

async function enrol(displayName) {
  if (!window.PublicKeyCredential) {
    fail('This browser cannot use security keys. Open the link in a current browser.')
    return
  }
  const { signal } = (abort = new AbortController())
  show('waiting')
  try {
    const begun = await call('begin', { displayName }, signal)
    if (!begun.ok) {
      refuse(begun.body)
      return
    }
    const credential = await navigator.credentials.create({ publicKey: creationOptions(begun.body), signal })
    // From here on the key is made and sent; cancelling would leave the person unsure of what the server did.
    element('cancel').disabled = true
    const completed = await call('complete', { displayName, credential: registration(credential) })
    if (completed.ok) show('done')
    else refuse(completed.body)
  } catch (error) {
    fail(explain(error))
  } finally {
    abort = null
    element('cancel').disabled = false
  }
}

element('form').addEventListener('submit', (event) => {
  event.preventDefault()
  const name = element('name').value.trim()
  element('name-error').hidden = name !== ''
  element('name').setAttribute('aria-invalid', String(name === ''))
  if (name === '') element('name').focus()
  else void enrol(name)
})
element('cancel').addEventListener('click', () => abort?.abort())
element('again').addEventListener('click', () => show('ready'))
