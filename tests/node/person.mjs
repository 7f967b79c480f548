// A person at a browser with cookies, who signs in by the mail's link.

export class Person {
  #cookies = new Map();

  constructor(url) {
    this.url = url;
    this.email = `alice.${crypto.randomUUID()}@example.com`;
  }

  async #go(url, options = {}) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { Accept: "text/html", ...(cookie && { Cookie: cookie }), ...options.headers };
    const reply = await fetch(url, { redirect: "manual", ...options, headers });
    for (const line of reply.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      value && !/max-age=0/i.test(line) ? this.#cookies.set(name, value) : this.#cookies.delete(name);
    }
    return reply;
  }

  async #post(path, fields) {
    return this.#go(this.url + path, { method: "POST", body: new URLSearchParams(fields) });
  }

  async #mail() {
    for (let tries = 0; tries < 200; tries++) {
      const mails = await (await fetch(`${this.url}/dev/mail.json`)).json();
      const mail = mails.find((each) => each.to === this.email);
      if (mail) return mail;
      await new Promise((done) => setTimeout(done, 25));
    }
    throw new Error("no mail came");
  }

  // Follows redirects until one leads to the app; returns where to.
  async visit(address) {
    let next = String(address);
    while (next.startsWith(this.url)) {
      const reply = await this.#go(next);
      if (reply.status !== 303) throw new Error(`${reply.status} at ${next}: ${await reply.text()}`);
      next = reply.headers.get("location");
      const page = new URL(next);
      if (page.pathname === "/auth/sign-in") {
        await this.#post("/auth/magic-links", { email: this.email, next: page.searchParams.get("next") });
        const token = (await this.#mail()).link.split("#")[1];
        next = (await this.#post("/auth/callback", { token })).headers.get("location");
      }
      if (page.pathname === "/auth/signed-out") break;
    }
    return new URL(next);
  }

  async isSignedIn() {
    return (await this.#go(`${this.url}/auth/session`)).status === 200;
  }
}
