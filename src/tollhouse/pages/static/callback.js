"use strict";
// Finishes a sign-in from the link in the mail. The token stays in this page: it is taken out of the address bar at once
// and leaves only in the body of two posts to our own origin.
(() => {
  const PAGE = "/auth/callback";
  const PREVIEW_MS_MAX = 15000;
  const TOKEN = /(?:^|[^\w-])([\w-]{43})(?![\w-])/;
  const STATES = { magic_link_expired: "expired", magic_link_used: "used", magic_link_invalid: "invalid" };
  const all = (selector) => document.querySelectorAll(selector);
  const root = document.documentElement;
  let token = "", posted = false;

  root.classList.add("starting"); // no flash of the code form, which is there for browsers without script

  // Mail gateways turn `#` into `%23`, some of them twice over. decodeURIComponent throws on what they leave half done.
  function decode(text) {
    for (let turn = 0; turn < 5; turn++)
      text = text.replace(/%([0-7][0-9a-f])/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
    return text;
  }

  function findToken() {
    const places = [location.hash, location.pathname.slice(PAGE.length) + location.search];
    return places.map((place) => TOKEN.exec(decode(place))?.[1]).find(Boolean) ?? "";
  }

  function show(state, words = {}) {
    const heading = document.querySelector("h1");
    const part = document.querySelector(`[data-heading][data-in~="${state}"]`);
    // The server's title belongs to the status (410), ours to what happened; only what has no state of its own needs it.
    heading.textContent = (state === "failed" && words.title) || part.dataset.heading;
    for (const each of all("[data-in]")) each.hidden = !each.dataset.in.split(" ").includes(state);
    for (const slot of all("[data-word]")) {
      const word = words[slot.dataset.word];
      slot.textContent = word && word !== `${heading.textContent}.` ? word : slot.dataset.else || "";
    }
    root.classList.remove("starting");
    document.getElementById("status").textContent = part.querySelector("p").textContent;
    if (state !== "working") heading.focus(); // while working the status alone speaks: this state is gone in a moment
  }

  function post() {
    if (posted) return;
    posted = true;
    history.replaceState({ posted }, "", PAGE);
    document.getElementById("redeem").submit();
  }

  async function preview() {
    show("working");
    let reply, found;
    try {
      reply = await fetch(`${PAGE}/preview`, {
        method: "POST", credentials: "same-origin", body: JSON.stringify({ token }),
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        signal: AbortSignal.timeout?.(PREVIEW_MS_MAX),
      });
      found = (await reply.json().catch(() => null)) ?? {}; // a proxy's own error page is no JSON
    } catch {
      return show("offline");
    }
    if (!reply.ok || !found.email_masked) return show(found.replaced ? "replaced" : (STATES[found.code] ?? "failed"), found);
    const words = { email: found.email_masked, other: found.signed_in_as };
    if (found.next_is_elsewhere) return show("elsewhere");
    if (found.signed_in_as) return show("other", words);
    if (!found.same_browser) return show("confirm", words);
    found.asks ? show("asks", words) : post();
  }

  function start() {
    // Back to a page that has posted, kept by the browser or loaded anew: the link is spent, so go where it led.
    if (posted || (history.state?.posted && !findToken())) return location.replace("/account");
    token = findToken();
    history.replaceState(null, "", PAGE);
    for (const field of all("input[name=token]")) field.value = token;
    token ? preview() : show("code");
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("retry").addEventListener("click", preview);
    for (const button of all("[data-redeem]")) button.addEventListener("click", post);
    if (document.prerendering) document.addEventListener("prerenderingchange", start, { once: true });
    else start();
  });
  addEventListener("hashchange", start); // a second link pasted into the same tab loads nothing
  addEventListener("pageshow", (event) => event.persisted && posted && start());
})();
