"use strict";
// Waits for a payment: asks what became of it, soon at first and then less often, and loads the page anew when that changes.
(() => {
  const FIRST_MS = 2000, LAST_MS = 30000, SLOWER = 1.15;
  const part = document.querySelector("[data-return]");
  let wait = FIRST_MS;

  async function ask() {
    try {
      const address = `/billing/return/status?checkout_session_id=${encodeURIComponent(part.dataset.return)}`;
      const reply = await fetch(address, { headers: { Accept: "application/json" } });
      const found = reply.ok ? await reply.json() : {};
      if (found.status && found.status !== part.dataset.state) return location.reload();
    } catch {
      // Offline, or the server is being restarted: the next time will tell.
    }
    wait = Math.min(LAST_MS, wait * SLOWER);
    setTimeout(ask, wait);
  }

  if (part) setTimeout(ask, wait);
})();
