"use strict";
// Waits for a payment: asks what became of it, soon at first and then less often, and loads the page anew when that changes.
// Once it is paid, it waits a few seconds more for the app to have it.
(() => {
  const FIRST_MS = 2000, LAST_MS = 30000, SLOWER = 1.15, APP_MS = 1000, APP_ASKED_MAX = 8;
  const part = document.querySelector("[data-return]");
  const isPaid = part?.dataset.state === "paid";
  let wait = isPaid ? APP_MS : FIRST_MS, asked = 0;

  async function ask() {
    try {
      const address = `/billing/return/status?checkout_session_id=${encodeURIComponent(part.dataset.return)}`;
      const reply = await fetch(address, { headers: { Accept: "application/json" } });
      const found = reply.ok ? await reply.json() : {};
      if (found.status && (found.status !== part.dataset.state || found.applied)) return location.reload();
    } catch {
      // Offline, or the server is being restarted: the next time will tell.
    }
    asked += 1;
    if (isPaid && asked >= APP_ASKED_MAX) return;
    wait = Math.min(LAST_MS, wait * SLOWER);
    setTimeout(ask, wait);
  }

  if (part) setTimeout(ask, wait);
})();
