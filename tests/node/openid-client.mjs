// The whole flow with openid-client, as an app uses it.
import * as client from "openid-client";
import { Person } from "./person.mjs";

const { url, id, secret, way, redirectUri, signOutUri } = JSON.parse(process.argv[2]);
const auth = { basic: client.ClientSecretBasic, post: client.ClientSecretPost, none: client.None }[way](secret);
const config = await client.discovery(new URL(url), id, secret, auth, { execute: [client.allowInsecureRequests] });
client.enableNonRepudiationChecks(config); // the ID token's signature is checked, too

const verifier = client.randomPKCECodeVerifier();
const state = client.randomState();
const nonce = client.randomNonce();
const address = client.buildAuthorizationUrl(config, {
  redirect_uri: redirectUri,
  scope: "openid email offline_access",
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
  state,
  nonce,
});

const person = new Person(url);
const back = await person.visit(address);
const tokens = await client.authorizationCodeGrant(config, back, {
  pkceCodeVerifier: verifier,
  expectedState: state,
  expectedNonce: nonce,
  idTokenExpected: true,
  maxAge: 300,
});
const claims = tokens.claims();
const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
await client.fetchUserInfo(config, refreshed.access_token, claims.sub);
await client.tokenRevocation(config, refreshed.refresh_token);
const error = await client.refreshTokenGrant(config, refreshed.refresh_token).catch((refusal) => refusal.error);

const wasSignedIn = await person.isSignedIn();
const leave = client.buildEndSessionUrl(config, {
  id_token_hint: tokens.id_token,
  post_logout_redirect_uri: signOutUri,
  state,
});
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
