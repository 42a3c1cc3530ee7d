// openid-client: everything that it does by itself, with each way to say who the relying party is.
// Its own option for http on this machine: allowInsecureRequests.
import * as client from "openid-client";

begin("openid-client");

const methods = {
  client_secret_basic: client.ClientSecretBasic,
  client_secret_post: client.ClientSecretPost,
  none: client.None,
};
const secret = said.SECRET || undefined;
const config = await client.discovery(
  new URL(said.OIDC_ISSUER), said.ID, secret, methods[said.METHOD](secret),
  { execute: [client.allowInsecureRequests] },
);
client.enableNonRepudiationChecks(config); // check the signature of ID tokens, too
did("discovery");

const verifier = client.randomPKCECodeVerifier();
const state = client.randomState();
const nonce = client.randomNonce();
const asked = {
  redirect_uri: said.REDIRECT_URI,
  scope: "openid profile email groups call",
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
  state,
  nonce,
};
const landed = await visit(client.buildAuthorizationUrl(config, asked), said.REDIRECT_URI);
const tokens = await client.authorizationCodeGrant(config, new URL(landed), {
  pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true,
});
const subject = tokens.claims().sub;
const head = JSON.parse(Buffer.from(tokens.id_token.split(".")[0], "base64url"));
assert.equal(head.alg, said.ALGORITHM);
did(`code + PKCE, ID token (${head.alg}) checked with the JWKS`);

const person = await client.fetchUserInfo(config, tokens.access_token, subject);
assert.equal(person.preferred_username, said.AGENT_USERNAME);
assert.equal(person.email, said.AGENT_EMAIL);
did("userinfo");

const renewed = await client.refreshTokenGrant(config, tokens.refresh_token);
assert.notEqual(renewed.refresh_token, tokens.refresh_token);
assert.equal(renewed.claims().sub, subject);
did("refresh");

const isConfidential = Boolean(secret);
if (isConfidential) {
  assert.equal((await client.tokenIntrospection(config, renewed.access_token)).active, true);
  did("introspection");
}

await client.tokenRevocation(config, renewed.refresh_token);
await assert.rejects(client.refreshTokenGrant(config, renewed.refresh_token), { error: "invalid_grant" });
if (isConfidential) {
  assert.equal((await client.tokenIntrospection(config, renewed.access_token)).active, false);
}
did("revoke, then refused");

const goodbye = client.randomState();
const leave = client.buildEndSessionUrl(config, {
  id_token_hint: renewed.id_token ?? tokens.id_token,
  post_logout_redirect_uri: said.LOGGED_OUT_URI,
  state: goodbye,
});
const left = new URL(await visit(leave, said.LOGGED_OUT_URI));
assert.equal(left.searchParams.get("state"), goodbye);
did("log-out");

const silent = await visit(
  client.buildAuthorizationUrl(config, { ...asked, prompt: "none" }), said.REDIRECT_URI,
);
await assert.rejects(
  client.authorizationCodeGrant(config, new URL(silent), {
    pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce,
  }),
  { error: "login_required" },
);
did("prompt=none is told login_required");
process.exit(0);
