// An app's webhook route as its guide would have it: the raw body is checked, and what fails the check is refused.
// Beside it, for the test: which secret it checks by, and what came.

import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

let webhook = new Webhook(process.argv[2]);
const verified = [];
const refused = [];

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function take(rawBody, headers) {
  try {
    const event = webhook.verify(rawBody, headers);
    const signatures = headers["webhook-signature"].split(" ").length;
    verified.push({ id: event.id, type: event.type, user: event.data.user_id, sequence: event.sequence, signatures });
    return 204;
  } catch (error) {
    refused.push(error.message);
    return 400;
  }
}

const server = createServer(async (request, response) => {
  const rawBody = await bodyOf(request);
  if (request.url === "/events") {
    response.writeHead(take(rawBody, request.headers)).end();
  } else if (request.url === "/secret") {
    webhook = new Webhook(rawBody.toString());
    response.writeHead(204).end();
  } else {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ verified, refused }));
  }
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
