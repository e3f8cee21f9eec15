// The enrolment page: two forms, six states, no framework. Runs under a policy that allows no inline code.
const states = ['ready', 'waiting', 'app', 'done', 'expired', 'error']
const element = (id) => document.getElementById(id)
let abort = null

// Whom the link is for: the first administrator says who they are, everyone else is known.
const { kind } = document.querySelector('main').dataset
const first = kind === 'first-administrator'
for (const one of document.querySelectorAll('[data-for]')) one.hidden = !one.dataset.for.split(' ').includes(kind)
if (first) element('ready-title').textContent = 'Become the administrator'
if (first) element('done-title').textContent = 'You are the administrator'

function show(state) {
  for (const name of states) element(name).hidden = name !== state
  const title = element(`${state}-title`)
  element('status').textContent = title.textContent
  document.title = `${title.textContent} · Redoubt`
  if (state === 'ready' && first) element('name').focus()
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

const REFUSALS = {
  ERR_WEBAUTHN_SYNCED: 'This key is copied between devices. Your role takes a key that stays in its hardware.',
  ERR_WEBAUTHN_AUTHENTICATOR: 'This model of key is not on the list for your role. Use one that your organisation hands out.',
  ERR_WEBAUTHN_CREDENTIAL: 'This key is registered already. Use another one.',
  ERR_WEBAUTHN_USER_VERIFICATION: 'This key did not check a PIN, fingerprint or face. Use one that does.',
  ERR_TOTP_CODE: 'The code was wrong. Begin again: the app gets a new key.',
  ERR_FACTOR_NOT_ALLOWED: 'Your role signs in with a key only.',
  ERR_CONFLICT: 'This name or key is taken, or you have as many keys as one may have.',
  ERR_INPUT_INVALID: 'The server does not take this name. Use letters, digits and the signs of an e-mail address.',
}

function refuse(body) {
  if (body.code === 'ERR_ENROLMENT_INVALID') show('expired')
  else if (REFUSALS[body.code]) fail(REFUSALS[body.code])
  else if (body.code?.startsWith('ERR_WEBAUTHN')) fail('The server could not verify the key. Try again with the same key.')
  else fail('The server could not answer. Try again in a moment.')
}

function finish({ recoveryCodes = [] }) {
  element('codes').replaceChildren(
    ...recoveryCodes.map((code) => {
      const item = document.createElement('li')
      item.textContent = code
      return item
    }),
  )
  element('codes-part').hidden = recoveryCodes.length === 0
  show('done')
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

async function enrol(named) {
  if (!window.PublicKeyCredential) {
    fail('This browser cannot use security keys. Open the link in a current browser.')
    return
  }
  const { signal } = (abort = new AbortController())
  show('waiting')
  try {
    const begun = await call('begin', named, signal)
    if (!begun.ok) {
      refuse(begun.body)
      return
    }
    const credential = await navigator.credentials.create({ publicKey: creationOptions(begun.body), signal })
    // From here on the key is made and sent; cancelling would leave the person unsure of what the server did.
    element('cancel').disabled = true
    const completed = await call('complete', { ...named, credential: registration(credential) })
    if (completed.ok) finish(completed.body)
    else refuse(completed.body)
  } catch (error) {
    fail(explain(error))
  } finally {
    abort = null
    element('cancel').disabled = false
  }
}

async function codes() {
  try {
    const begun = await call('totp/begin', {})
    if (!begun.ok) {
      refuse(begun.body)
      return
    }
    element('secret').textContent = begun.body.secret.match(/.{1,4}/g).join(' ')
    element('uri').textContent = begun.body.uri
    show('app')
  } catch (error) {
    fail(explain(error))
  }
}

async function complete(code) {
  try {
    const completed = await call('totp/complete', { code })
    if (completed.ok) finish(completed.body)
    else refuse(completed.body)
  } catch (error) {
    fail(explain(error))
  }
}

/** Says what is missing beside the field, and goes there. */
function filled(id, wanted) {
  element(`${id}-error`).hidden = wanted
  element(id).setAttribute('aria-invalid', String(!wanted))
  if (!wanted) element(id).focus()
  return wanted
}

element('form').addEventListener('submit', (event) => {
  event.preventDefault()
  const name = element('name').value.trim()
  if (!first) void enrol({})
  else if (filled('name', name !== '')) void enrol({ displayName: name })
})
element('code-form').addEventListener('submit', (event) => {
  event.preventDefault()
  const code = element('code').value.replaceAll(' ', '')
  if (filled('code', /^[0-9]{6}$/.test(code))) void complete(code)
})
element('start-codes').addEventListener('click', () => void codes())
element('cancel').addEventListener('click', () => abort?.abort())
element('again').addEventListener('click', () => show('ready'))
