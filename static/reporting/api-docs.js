// Draws the API's reference. What is tried out goes to this portal with the key typed in: the API
// takes no cookie, so that a key's rights are tried, not a person's.
const place = document.getElementById("reference");
const wantsDark = matchMedia("(prefers-color-scheme: dark)").matches;
const chosen = document.cookie.match(/(?:^|; )theme=(light|dark)/)?.[1];
document.documentElement.classList.toggle("dark-mode", chosen ? chosen === "dark" : wantsDark);

window.SwaggerUIBundle({
  url: place.dataset.description,
  domNode: place,
  deepLinking: true,
  layout: "BaseLayout",
  validatorUrl: null,
  presets: [window.SwaggerUIBundle.presets.apis],
});
