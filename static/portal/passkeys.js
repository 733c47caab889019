// Passkeys: asks the browser for one and sends its answer with the form. What needs it stays hidden where it cannot be done.
const able = Boolean(window.PublicKeyCredential?.parseCreationOptionsFromJSON && navigator.credentials);

const optionsOf = async (form) => {
  if (!form.dataset.optionsUrl) return JSON.parse(document.getElementById("passkey-options").textContent);
  const answer = await fetch(form.dataset.optionsUrl, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`asked for a passkey: ${answer.status}`);
  return answer.json();
};

const make = (options, alone) => {
  const { publicKey } = options.creation_options;
  // One that signs in alone has to know its person, and ask for them.
  publicKey.authenticatorSelection = {
    ...publicKey.authenticatorSelection,
    residentKey: alone ? "required" : "discouraged",
    requireResidentKey: alone,
    ...(alone && { userVerification: "required" }),
  };
  return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey) });
};

const ask = (options) =>
  navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options.request_options.publicKey) });

for (const form of able ? document.querySelectorAll("form[data-passkey]") : []) {
  const button = form.querySelector("[data-passkey-start]"), trouble = form.querySelector("[role=alert][hidden]");
  form.hidden = button.hidden = false;
  form.querySelector("[data-passkey-none]")?.remove();
  button.addEventListener("click", async () => {
    trouble.hidden = button.disabled = true;
    try {
      const options = await optionsOf(form);
      const made = form.dataset.passkey === "create" ? await make(options, form.elements.passwordless.checked) : await ask(options);
      form.elements.credential.value = JSON.stringify(made);
      form.submit();
    } catch {
      trouble.hidden = false; // they said no, or took too long
      button.disabled = false;
    }
  });
}

// Recovery codes as a file, made of what the page shows: the server does not give them twice.
for (const button of document.querySelectorAll("[data-save]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const lines = [...document.getElementById(button.dataset.save).children].map((line) => line.textContent);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/plain" }));
    link.download = button.dataset.saveAs;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}
