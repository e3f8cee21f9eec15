// The enrolment page: two forms, six states, no framework. Runs under a policy that allows no inline code.
const states = ['ready', 'waiting', 'generator', 'done', 'expired', 'error']
const kind = document.body.dataset.kind
const first = kind === 'first-administrator'
const element = (id) => document.getElementById(id)
let abort = null

function show(state) {
  for (const name of states) element(name).hidden = name !== state
  const title = element(`${state}-title`)
  // As it is shown: parts of it are for others.
  element('status').textContent = title.innerText
  document.title = `${title.innerText} · Redoubt`
  if (state === 'ready') element(first ? 'name' : 'start').focus()
  else if (state === 'generator') element('code').focus()
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

const reasons = {
  ERR_WEBAUTHN_AUTHENTICATOR: 'Your role takes only certain models of security key, and this is none of them.',
  ERR_WEBAUTHN_SYNCED: 'Your role takes only keys that cannot be copied to other devices. Use a security key that stays in its hardware.',
  ERR_WEBAUTHN_USER_VERIFICATION: 'The key did not check a PIN, fingerprint or face. Use one that does.',
  ERR_TOTP_CODE: 'The code was wrong. Begin again with a new key for your generator.',
  ERR_FACTOR_NOT_ALLOWED: 'Your role signs in with security keys only.',
  ERR_CONFLICT: 'Someone signs in by this name already. Use another spelling, or an address.',
}

function refuse(body) {
  if (body.code === 'ERR_ENROLMENT_INVALID') show('expired')
  else if (reasons[body.code]) fail(reasons[body.code])
  else if (body.code?.startsWith('ERR_WEBAUTHN')) fail('The server could not verify the key. Try again with the same key.')
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

function done(body) {
  for (const code of body.recoveryCodes ?? []) {
    const item = document.createElement('li')
    item.textContent = code
    element('recovery-codes').append(item)
  }
  element('recovery').hidden = (body.recoveryCodes ?? []).length === 0
  show('done')
}

async function beginGenerator() {
  try {
    const { ok, body } = await call('totp/begin', {})
    if (!ok) {
      refuse(body)
      return
    }
    element('secret').textContent = body.secret.replace(/(.{4})(?=.)/g, '$1 ')
    element('otpauth').href = body.uri
    element('code').value = ''
    show('generator')
  } catch (error) {
    fail(explain(error))
  }
}

async function checkCode(code) {
  try {
    const { ok, body } = await call('totp/complete', { code })
    if (ok) done(body)
    else refuse(body)
  } catch (error) {
    fail(explain(error))
  }
}

async function enrol(displayName) {
  if (!window.PublicKeyCredential) {
    fail('This browser cannot use security keys. Open the link in a current browser.')
    return
  }
  const { signal } = (abort = new AbortController())
  show('waiting')
  try {
    const begun = await call('begin', first ? { displayName } : {}, signal)
    if (!begun.ok) {
      refuse(begun.body)
      return
    }
    const credential = await navigator.credentials.create({ publicKey: creationOptions(begun.body), signal })
    // From here on the key is made and sent; cancelling would leave the person unsure of what the server did.
    element('cancel').disabled = true
    const completed = await call('complete', { ...(first ? { displayName } : {}), credential: registration(credential) })
    if (completed.ok) done(completed.body)
    else refuse(completed.body)
  } catch (error) {
    fail(explain(error))
  } finally {
    abort = null
    element('cancel').disabled = false
  }
}

for (const part of document.querySelectorAll('[data-for]')) part.hidden = !part.dataset.for.split(' ').includes(kind)

element('form').addEventListener('submit', (event) => {
  event.preventDefault()
  const name = element('name').value.trim()
  const missing = first && name === ''
  element('name-error').hidden = !missing
  element('name').setAttribute('aria-invalid', String(missing))
  if (missing) element('name').focus()
  else void enrol(name)
})
element('code-form').addEventListener('submit', (event) => {
  event.preventDefault()
  void checkCode(element('code').value)
})
element('totp').addEventListener('click', () => void beginGenerator())
element('cancel').addEventListener('click', () => abort?.abort())
element('again').addEventListener('click', () => show('ready'))
