"use strict";
// Two comforts; every page works without them.
for (const link of document.querySelectorAll("a[data-fill]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    for (const [name, value] of Object.entries(JSON.parse(link.dataset.fill))) {
      const field = document.querySelector(`[name="${name}"]`);
      if (field) field.value = value;
    }
  });
}
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "1";
    form.setAttribute("aria-busy", "true");
  });
}
// The back button may show this page as it was left.
addEventListener("pageshow", () => {
  for (const form of document.forms) {
    delete form.dataset.sent;
    form.removeAttribute("aria-busy");
  }
});
