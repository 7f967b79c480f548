import { Webhook, WebhookVerificationError } from "standardwebhooks";
import { setting } from "@/auth/settings";
import type { TollhouseEvent } from "@/payments/events";
import { applyOnce } from "@/payments/store";

/**
 * Takes Tollhouse's events: each `[[endpoints]]` in its tollhouse.toml gets them, signed by the Standard Webhooks rules.
 *
 * Any reply but a 2xx, and a throw is one, means "again later": so there is no 200 before it is written down. The same
 * event may come again after that; `applyOnce` knows it by its id.
 */
export async function POST(request: Request): Promise<Response> {
  const body = await request.text(); // as it was signed: parsed and written again it would be other bytes
  if (!isGenuine(body, Object.fromEntries(request.headers))) {
    return Response.json({ error: "signature_invalid" }, { status: 400 });
  }
  const event: TollhouseEvent = JSON.parse(body);
  return Response.json({ applied: await applyOnce(event) });
}

/** Whether it was signed with a secret of ours, within five minutes of now. Two, with a comma, while one is rolled. */
function isGenuine(body: string, headers: Record<string, string>): boolean {
  return setting("TOLLHOUSE_WEBHOOK_SECRET").split(",").some((secret) => isSignedWith(secret.trim(), body, headers));
}

function isSignedWith(secret: string, body: string, headers: Record<string, string>): boolean {
  const webhook = new Webhook(secret); // throws for what is no secret: that is our fault, and a 500
  try {
    webhook.verify(body, headers, { jsonParse: false });
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
}
