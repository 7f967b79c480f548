"use strict";
// A form is sent once: a second click while the first is under way would throw its answer away, and with it the session
// that a code was just spent on. After a while it may be sent again, for somebody who stopped the loading.
(() => {
  const AGAIN_MS = 10000;
  let sent = new WeakMap();
  addEventListener("submit", (event) => {
    if (performance.now() - (sent.get(event.target) ?? -AGAIN_MS) < AGAIN_MS) event.preventDefault();
    else sent.set(event.target, performance.now());
  });
  addEventListener("pageshow", () => { sent = new WeakMap(); }); // back on a page that the browser kept
})();
