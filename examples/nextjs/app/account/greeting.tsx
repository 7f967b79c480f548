"use client";

import { useState } from "react";

/** Calls an API from the browser: the token comes from this app's server, anew each time, so it is never stale. */
async function askForGreeting(): Promise<string> {
  const token = await fetch("/api/token");
  if (!token.ok) return "You are not signed in just now. Please reload this page.";
  const { access_token } = await token.json();
  const reply = await fetch("/api/greeting", { headers: { Authorization: `Bearer ${access_token}` } });
  return reply.ok ? (await reply.json()).greeting : `Refused: ${reply.status}`;
}

export function Greeting() {
  const [answer, setAnswer] = useState("");
  return (
    <>
      <button onClick={async () => setAnswer(await askForGreeting())}>Call it</button>
      <p role="status">{answer}</p>
    </>
  );
}
