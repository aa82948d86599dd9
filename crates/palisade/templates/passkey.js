// Passkeys (WebAuthn): fetches a challenge, has the browser answer it, and submits the form that carries the answer.
// A form says what it is for: data-passkey (create or get), data-challenge (where to ask), data-conditional.
(() => {
  "use strict";
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  const readable = (options) => {
    options.challenge = bytes(options.challenge);
    if (options.user) options.user.id = bytes(options.user.id);
    for (const one of [...(options.allowCredentials || []), ...(options.excludeCredentials || [])]) one.id = bytes(one.id);
    return options;
  };

  const written = (credential) => {
    const response = {};
    for (const part of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[part]) response[part] = text(credential.response[part]);
    }
    const { id, type } = credential;
    return JSON.stringify({ id, rawId: text(credential.rawId), type, response, clientExtensionResults: {} });
  };

  let waiting = null;

  const ask = async (form, mediation) => {
    if (waiting) waiting.abort();
    waiting = new AbortController();
    const signal = waiting.signal;
    const body = new URLSearchParams();
    for (const field of form.querySelectorAll("[data-send]")) body.append(field.name, field.value);
    const answer = await fetch(form.dataset.challenge, { method: "POST", body, signal });
    if (!answer.ok) throw new Error("no challenge");
    const { ceremony, publicKey } = await answer.json();
    const request = { publicKey: readable(publicKey), signal };
    if (mediation) request.mediation = mediation;
    const credential = await navigator.credentials[form.dataset.passkey](request);
    form.elements.ceremony.value = ceremony;
    form.elements.credential.value = written(credential);
    form.submit();
  };

  const tell = (form, words) => {
    const place = form.querySelector("[data-trouble]");
    place.textContent = words;
    place.hidden = !words;
  };

  // The browser offers passkeys in the field for the name. A challenge lives for five minutes: it is renewed in time.
  const offer = async (form) => {
    const able = PublicKeyCredential.isConditionalMediationAvailable;
    if (!able || !(await able.call(PublicKeyCredential))) return;
    const again = () => ask(form, "conditional").catch(() => {});
    again();
    setInterval(() => document.hidden || again(), 4 * 60 * 1000);
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      tell(form, "");
      ask(form).catch((error) => {
        if (error.name === "InvalidStateError") tell(form, "This device has a passkey for your account already.");
        else if (error.name !== "AbortError") tell(form, "That did not work, or was cancelled. Try again, or choose another way.");
      });
    });
    if ("conditional" in form.dataset) offer(form);
  }
})();
