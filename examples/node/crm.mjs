// A CRM that receives agents from the portal, in one file. Start it with `examples/run node`.
//
// It shows the four ways in which a client company may receive its agents; choose one for your own CRM:
//
//   redirect    GET  /redirect/login?token=…   the token is redeemed, once, over HTTPS with the CRM's secret
//   form post   POST /form-post/login          the same, with the token in the body
//   signed      POST /signed/login             everything is in a signed token: nothing to redeem
//   oidc        GET  /oidc/start               the portal asks the CRM to begin an OpenID Connect sign-in
//
// Needs Node 18 and nothing else.

import { createHash, createPublicKey, randomBytes, timingSafeEqual, verify } from "node:crypto";
import { createServer } from "node:http";

const PORTAL = process.env.PORTAL_URL;
const PORT = Number(process.env.CRM_PORT ?? 18600);
const HERE = `http://127.0.0.1:${PORT}`;
const CLOCKS_DIFFER = 30; // seconds
const MOST_BEGUN = 1000;
// How each algorithm is checked; never what the token alone asks for.
const ALGORITHMS = { RS256: {}, ES256: { dsaEncoding: "ieee-p1363" } };

const sessions = new Map(); // by cookie; a real CRM has sessions of its own
const begun = new Map(); // OpenID Connect sign-ins that wait for their answer, by state
const seen = new Map(); // signed tokens that were used, until they end

/** The agent is not let in; the text is for the log of the CRM, not for the page. */
class NotAccepted extends Error {}

/** The id and the secret that the portal's operator gave this CRM. */
const credentials = (way) => [process.env[`CRM_${way}_ID`], process.env[`CRM_${way}_SECRET`] ?? ""];
const random = () => randomBytes(32).toString("base64url");

// --- redirect, form post: redeem the token ---------------------------------------------------------------------------

/** Exchange the token for what it says. It works once, for a minute, and for this CRM alone. */
const redeem = (token, way) => call(`${PORTAL}/api/v1/tokens/redeem`, JSON.stringify({ token }), "application/json", way);

// --- signed: check the token -----------------------------------------------------------------------------------------

/** What a signed token of this type says, if the portal signed it, for this CRM, just now. */
async function verified(token, { typ, audience, nonce }) {
  const parts = String(token).split(".");
  let header, claims;
  try {
    [header, claims] = parts.slice(0, 2).map((part) => JSON.parse(Buffer.from(part, "base64url")));
  } catch {
    throw new NotAccepted("not a token");
  }
  if (header.typ !== typ) throw new NotAccepted("a token for something else");
  const { keys } = await (await fetch(`${PORTAL}/.well-known/jwks.json`)).json(); // keep these for some minutes
  const jwk = keys.find((key) => key.kid === header.kid && key.alg === header.alg);
  if (parts.length !== 3 || !jwk || !Object.hasOwn(ALGORITHMS, header.alg)) throw new NotAccepted("an unknown key");
  const key = { key: createPublicKey({ key: jwk, format: "jwk" }), ...ALGORITHMS[header.alg] };
  const signed = Buffer.from(`${parts[0]}.${parts[1]}`);
  if (!verify("sha256", signed, key, Buffer.from(parts[2], "base64url"))) throw new NotAccepted("a wrong signature");
  const now = Date.now() / 1000;
  if (claims.iss !== PORTAL || ![claims.aud].flat().includes(audience)) throw new NotAccepted("another issuer or audience");
  if (now < claims.iat - CLOCKS_DIFFER || now >= claims.exp + CLOCKS_DIFFER) throw new NotAccepted("expired");
  if (nonce !== undefined && !same(claims.nonce ?? "", nonce)) throw new NotAccepted("another sign-in's token");
  return claims;
}

/** Refuse a signed token that was used already: nobody but the CRM can know. */
function usedOnce(claims) {
  const now = Date.now() / 1000;
  for (const [jti, until] of seen) if (until < now) seen.delete(jti);
  if (seen.has(claims.jti)) throw new NotAccepted("used already");
  seen.set(claims.jti, claims.exp + CLOCKS_DIFFER);
  return claims;
}

// --- oidc: an ordinary code flow -------------------------------------------------------------------------------------

/** The address at which to sign in, and the state that the browser must bring back. */
function begin(asked) {
  if (asked.get("iss") !== PORTAL) throw new NotAccepted("another issuer asks");
  const [state, verifier, nonce] = [random(), random(), random()];
  while (begun.size >= MOST_BEGUN) begun.delete(begun.keys().next().value); // anybody may begin one: the oldest go
  begun.set(state, { verifier, nonce });
  const query = new URLSearchParams({
    response_type: "code",
    client_id: credentials("OIDC")[0],
    redirect_uri: `${HERE}/oidc/callback`,
    scope: "openid profile email groups call",
    state,
    nonce,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    login_hint: asked.get("login_hint") ?? "", // says which call it is about; handed on as it came
  });
  return [`${PORTAL}/oauth/authorize?${query}`, state];
}

/** Exchange the code for what it says about the agent. `states` are those that this browser began. */
async function finish(answer, states) {
  const waiting = begun.get(answer.get("state"));
  begun.delete(answer.get("state"));
  if (!waiting || !states.includes(answer.get("state")) || answer.get("iss") !== PORTAL) {
    throw new NotAccepted("not begun here, by this browser");
  }
  if (!answer.has("code")) throw new NotAccepted(answer.get("error") ?? "no code");
  const form = new URLSearchParams({
    grant_type: "authorization_code",
    code: answer.get("code"),
    redirect_uri: `${HERE}/oidc/callback`,
    code_verifier: waiting.verifier,
  });
  const tokens = await call(`${PORTAL}/oauth/token`, String(form), "application/x-www-form-urlencoded", "OIDC");
  return verified(tokens.id_token, { typ: "JWT", audience: credentials("OIDC")[0], nonce: waiting.nonce });
}

/** POST to the portal with this CRM's id and secret. */
async function call(url, body, contentType, way) {
  const authorization = `Basic ${Buffer.from(credentials(way).join(":")).toString("base64")}`;
  const headers = { "Content-Type": contentType, Authorization: authorization };
  const answer = await fetch(url, { method: "POST", headers, body, signal: AbortSignal.timeout(5000) });
  if (!answer.ok) throw new NotAccepted(`HTTP ${answer.status}: ${(await answer.text()).slice(0, 300)}`);
  return answer.json();
}

function same(one, other) {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

// --- The CRM's own pages ---------------------------------------------------------------------------------------------

const WAYS = {
  "GET /redirect/login": ({ query }) => redeem(query.get("token"), "REDIRECT"),
  "POST /form-post/login": ({ form }) => redeem(form.get("token"), "FORM_POST"),
  "POST /signed/login": async ({ form }) =>
    usedOnce(await verified(form.get("id_token"), { typ: "login+jwt", audience: credentials("SIGNED")[0] })),
  "GET /oidc/callback": ({ query, cookies }) => {
    const mine = Object.entries(cookies).filter(([name]) => name.startsWith("crm_state_"));
    return finish(query, mine.map(([, state]) => state));
  },
};

const server = createServer(async (request, response) => {
  const url = new URL(request.url, HERE);
  const cookies = Object.fromEntries((request.headers.cookie ?? "").split("; ").map((pair) => pair.split("=")));
  const act = `${request.method} ${url.pathname}`;
  try {
    if (act === "GET /") return show(response, sessions.get(cookies.crm_session));
    if (act === "GET /oidc/start") {
      const [address, state] = begin(url.searchParams);
      // Named after the state, for two calls may be on their way at once. Over https add Secure, here and below.
      const cookie = `crm_state_${state.slice(0, 8)}=${state}; Path=/oidc; Max-Age=600; HttpOnly; SameSite=Lax`;
      return goTo(response, address, cookie);
    }
    if (!Object.hasOwn(WAYS, act)) return page(response, 404, "Nothing here.");
    // Or any page could sign its visitor in as somebody else.
    if (request.method === "POST" && request.headers.origin !== PORTAL) throw new NotAccepted("not from the portal");
    const claims = await WAYS[act]({ query: url.searchParams, form: await formOf(request), cookies });
    const session = random();
    sessions.set(session, claims);
    goTo(response, "/", `crm_session=${session}; Path=/; HttpOnly; SameSite=Lax`); // without the token in the address
  } catch (reason) {
    console.error(`refused: ${reason.message}`);
    page(response, reason instanceof NotAccepted ? 403 : 502, "You could not be signed in. Please open the call again.");
  }
});

async function formOf(request) {
  let body = "";
  for await (const chunk of request) if ((body += chunk).length > 64 * 1024) throw new NotAccepted("too large");
  return new URLSearchParams(body);
}

function show(response, claims) {
  if (!claims) return page(response, 200, "Nobody is signed in. Open a call at the portal.");
  const escaped = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
  const name = escaped(claims.fullname ?? claims.name ?? claims.sub);
  page(response, 200, `<h1>Welcome, ${name}</h1><pre>${escaped(JSON.stringify(claims, null, 2))}</pre>`);
}

const GUARDS = { "Cache-Control": "no-store", "Referrer-Policy": "no-referrer" };

function goTo(response, address, cookie) {
  response.writeHead(303, { Location: address, "Set-Cookie": cookie, ...GUARDS }).end();
}

function page(response, status, body) {
  response.writeHead(status, { "Content-Type": "text/html; charset=utf-8", ...GUARDS });
  response.end(`<!doctype html><html lang=en><meta charset=utf-8><title>Your CRM</title>${body}</html>`);
}

server.listen(PORT, "127.0.0.1", () => console.log(`Your CRM listens at ${HERE}/`));
