// The whole flow with oauth4webapi: every step is validated by the library, by the specification.
import * as oauth from "oauth4webapi";
import { Person } from "./person.mjs";

const { url, id, secret, way, redirectUri, signOutUri } = JSON.parse(process.argv[2]);
const insecure = { [oauth.allowInsecureRequests]: true }; // plain http on the loopback
const client = { client_id: id };
const auth = { basic: () => oauth.ClientSecretBasic(secret), post: () => oauth.ClientSecretPost(secret), none: oauth.None }[way]();
const issuer = new URL(url);
const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));
const asOAuth = await oauth.discoveryRequest(issuer, { ...insecure, algorithm: "oauth2" });
await oauth.processDiscoveryResponse(issuer, asOAuth);

const verifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();
const nonce = oauth.generateRandomNonce();
const address = new URL(server.authorization_endpoint);
address.search = new URLSearchParams({
  client_id: id,
  redirect_uri: redirectUri,
  response_type: "code",
  scope: "openid email offline_access",
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
  state,
  nonce,
});

const person = new Person(url);
const back = oauth.validateAuthResponse(server, client, await person.visit(address), state); // checks `iss` as well
const codeReply = await oauth.authorizationCodeGrantRequest(server, client, auth, back, redirectUri, verifier, insecure);
const tokens = await oauth.processAuthorizationCodeResponse(server, client, codeReply, {
  expectedNonce: nonce,
  maxAge: 300,
  requireIdToken: true,
});
await oauth.validateApplicationLevelSignature(server, codeReply, insecure);
const claims = oauth.getValidatedIdTokenClaims(tokens);

async function whoIs(accessToken) {
  const reply = await oauth.userInfoRequest(server, client, accessToken, insecure);
  return oauth.processUserInfoResponse(server, client, claims.sub, reply);
}

const info = await whoIs(tokens.access_token);
const refreshReply = await oauth.refreshTokenGrantRequest(server, client, auth, tokens.refresh_token, insecure);
const refreshed = await oauth.processRefreshTokenResponse(server, client, refreshReply);
await whoIs(refreshed.access_token);
const revoked = await oauth.revocationRequest(server, client, auth, refreshed.refresh_token, insecure);
await oauth.processRevocationResponse(revoked);
const dead = await oauth.refreshTokenGrantRequest(server, client, auth, refreshed.refresh_token, insecure);
const error = await oauth.processRefreshTokenResponse(server, client, dead).catch((refusal) => refusal.error);

const wasSignedIn = await person.isSignedIn();
const leave = new URL(server.end_session_endpoint);
leave.search = new URLSearchParams({ id_token_hint: tokens.id_token, post_logout_redirect_uri: signOutUri, state });
const left = await person.visit(leave);
console.log(
  JSON.stringify({
    email: person.email === info.email && info.email === claims.email && info.email_verified,
    again: refreshed.refresh_token !== tokens.refresh_token && typeof refreshed.id_token === "string",
    error,
    wasSignedIn,
    left: left.href === `${signOutUri}?state=${state}`,
    isSignedIn: await person.isSignedIn(),
  }),
);
