// Puts the answer of a security key into the form that asks for it. Runs under a policy that allows no inline code.
const toBytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')

function requestOptions(json) {
  const allowed = (json.allowCredentials ?? []).map((one) => ({ ...one, id: toBytes(one.id) }))
  return { ...json, challenge: toBytes(json.challenge), allowCredentials: allowed }
}

function assertion(credential) {
  const { clientDataJSON, authenticatorData, signature, userHandle } = credential.response
  return {
    id: credential.id,
    rawId: toText(credential.rawId),
    type: credential.type,
    response: {
      clientDataJSON: toText(clientDataJSON),
      authenticatorData: toText(authenticatorData),
      signature: toText(signature),
      userHandle: userHandle ? toText(userHandle) : null,
    },
  }
}

function explain(error) {
  if (error.name === 'NotAllowedError' || error.name === 'AbortError')
    return 'The request was cancelled, took too long, or no key of yours was found.'
  if (error.name === 'SecurityError') return 'The browser does not allow keys at this address. Use the address that the server prints.'
  return 'The key could not be used. Try again.'
}

for (const form of document.querySelectorAll('form[data-key-options]')) {
  const button = form.querySelector('button')
  const notice = form.querySelector('.field-error')
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    notice.hidden = true
    button.disabled = true
    const publicKey = requestOptions(JSON.parse(form.dataset.keyOptions))
    const asked = window.PublicKeyCredential
      ? navigator.credentials.get({ publicKey })
      : Promise.reject(new DOMException('', 'NotSupportedError'))
    asked.then(
      (credential) => {
        form.elements.namedItem('response').value = JSON.stringify(assertion(credential))
        form.submit()
      },
      (error) => {
        button.disabled = false
        notice.textContent = explain(error)
        notice.hidden = false
        button.focus()
      },
    )
  })
}
