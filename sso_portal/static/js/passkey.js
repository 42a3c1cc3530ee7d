// Makes or shows a passkey (WebAuthn), and sends what it says with its form. Without script the form stays hidden.
const form = document.querySelector("form[data-passkey]");
if (form && window.PublicKeyCredential) prepare(form);

function prepare(form) {
  const told = form.querySelector("[data-passkey-told]");
  const button = form.querySelector("button[type=submit]");
  const options = JSON.parse(document.getElementById("passkey-options").textContent).publicKey;
  form.querySelector("[data-passkey-missing]").hidden = true;
  form.querySelectorAll("button[type=submit], [data-passkey-name]").forEach((part) => { part.hidden = false; });

  if (form.dataset.passkey === "show" && !document.querySelector("[aria-invalid=true]")) button.focus();

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    told.textContent = "";
    try {
      form.elements.passkey.value = JSON.stringify(written(await ask(form.dataset.passkey, options)));
      form.submit();
    } catch (error) {
      told.textContent = error.name === "InvalidStateError" ? form.dataset.known : form.dataset.cancelled;
      button.disabled = false;
    }
  });
}

function ask(act, options) {
  const known = (list) => (list || []).map((each) => ({ ...each, id: bytes(each.id) }));
  const publicKey = { ...options, challenge: bytes(options.challenge) };
  if (act === "show") {
    return navigator.credentials.get({ publicKey: { ...publicKey, allowCredentials: known(options.allowCredentials) } });
  }
  const user = { ...options.user, id: bytes(options.user.id) };
  const excludeCredentials = known(options.excludeCredentials);
  return navigator.credentials.create({ publicKey: { ...publicKey, user, excludeCredentials } });
}

// The credential as the portal reads it: what is bytes in the browser is base64url in JSON.
function written(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response };
}

function bytes(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
}

function text(buffer) {
  const letters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
