// The message bus: this page sits in a frame of a registered page, its host, and is asked by postMessage to sign an
// agent in and to keep him signed in. Messages both ways are {type, payload}. What the host is given is kept in this
// page's memory alone, and goes to the host's window at the host's origin alone.

const page = document.getElementById("bus");
const ORIGINS = JSON.parse(page.dataset.origins); // of the pages that may be the host
const CALLS = page.dataset.calls;
const SERVICES = ["AUTH", "USER"];
const EARLY = 60_000; // ms before its end that a token is renewed
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 60_000;
const LONGEST_TIMER = 24 * 60 * 60 * 1000; // browsers take no more than 24 days
const LONGEST_NAME = 100;
const LONGEST_TEXT = 4096;

let host = ""; // the origin that registered; "" until then
let sealed = page.dataset.page; // for whom this page was made, signed by the portal
let isSignedIn = false; // at the portal, by the session that the browser carries
let wantsTokens = false; // BUS.INIT asked for AUTH
let held = null; // {credentials, expiresAt, endsAt}, as the host has them
let timer;
let queue = Promise.resolve(); // one message after the other

class Refused extends Error {
  constructor({ code, message }, { isPassing = false, isLost = false } = {}) {
    super(message);
    this.told = { code, message };
    this.isPassing = isPassing; // worth another try
    this.isLost = isLost; // the portal may have done what it was asked for
  }
}

// --- Messages --------------------------------------------------------------------------------------------------------

const ACTS = new Map([
  ["BUS.REGISTER", register],
  ["BUS.INIT", init],
  ["AUTH.SSO", answering("AUTH.SSO", signInByCode)],
  ["AUTH.EMAIL_AND_PASSWORD", answering("AUTH.EMAIL_AND_PASSWORD", signInByPassword)],
  ["AUTH.LOGOUT", logOut],
]);

addEventListener("message", (event) => {
  // Only the page around this one; no sibling, no frame further in or out.
  if (event.source !== parent || parent === window) return;
  const { type, payload = {} } = isObject(event.data) ? event.data : {};
  const act = typeof type === "string" ? ACTS.get(type) : undefined;
  if (!act) return;
  if (type === "BUS.REGISTER" && !host) {
    if (!isObject(payload) || payload.origin !== event.origin || !ORIGINS.includes(event.origin)) return;
    host = event.origin;
  }
  if (!host || event.origin !== host) return;
  queue = queue
    .then(() => host && act(payload))
    .catch((error) => console.warn(`${type} was ignored: ${error.message}`));
});

function tell(type, payload = {}) {
  parent.postMessage({ type, payload }, host);
}

async function register(payload) {
  const { origin, appName = "", release = "" } = read(payload, { origin: LONGEST_TEXT });
  if (origin !== host) throw invalid("origin is not the sender's");
  try {
    const names = { appName: shortened(appName), release: shortened(release) };
    const answer = await insist("register", { origin, ...names });
    sealed = answer.page;
    isSignedIn = answer.currentUser !== null;
    tell("BUS.REGISTER_FULFILLED", isSignedIn ? { user: answer.currentUser } : {});
  } catch (error) {
    host = ""; // the portal knows better by now: nobody is registered
    throw error;
  }
}

async function init(payload) {
  const services = isObject(payload) ? payload.services : undefined;
  if (!Array.isArray(services) || !services.every((service) => SERVICES.includes(service))) {
    throw invalid(`services is a list of ${SERVICES.join(", ")}`);
  }
  wantsTokens = services.includes("AUTH");
  tell("BUS.INIT_FULFILLED");
  if (wantsTokens && isSignedIn && !held) {
    take(await ask("session", {}));
    tell("AUTH.TOKEN_REFRESHED", held.credentials);
  } else {
    wait();
  }
}

/** Answers with what the act is told, or with why it was refused. */
function answering(type, act) {
  return async (payload) => {
    try {
      const { credentials, currentUser, company } = take(await act(payload));
      tell(`${type}_FULFILLED`, { credentials, currentUser, company });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      tell(`${type}_REJECTED`, { error: error.told });
    }
  };
}

function signInByCode(payload) {
  const { code, redirectUrl } = read(payload, { code: LONGEST_TEXT, redirectUrl: LONGEST_TEXT });
  return ask("code", { code, redirectUrl, replaces: token() });
}

function signInByPassword(payload) {
  const { email, password } = read(payload, { email: LONGEST_TEXT, password: LONGEST_TEXT });
  return ask("sign-in", { email, password, replaces: token() });
}

async function logOut() {
  const given = token();
  forget();
  await insist("sign-out", { token: given });
  isSignedIn = false;
  tell("AUTH.LOGOUT_FULFILLED");
}

// --- Tokens ----------------------------------------------------------------------------------------------------------

function take(told) {
  const now = Date.now();
  held = {
    credentials: told.credentials,
    user: told.currentUser.id,
    expiresAt: now + told.expiresIn * 1000,
    endsAt: now + told.endsIn * 1000,
  };
  wait();
  return told;
}

function forget() {
  held = null;
  clearTimeout(timer);
}

/** What the portal knows the agent's sign-in here by. */
function token() {
  return held?.credentials.refreshToken ?? held?.credentials.legacy_token ?? "";
}

/** Waits for the moment to renew what is held, or for its end. Only a host that wants tokens hears of either. */
function wait() {
  clearTimeout(timer);
  if (!held || !wantsTokens) return;
  const isLast = held.expiresAt >= held.endsAt;
  const due = isLast ? held.endsAt : held.expiresAt - EARLY;
  const left = due - Date.now();
  if (left > 0) timer = setTimeout(wait, Math.min(left, LONGEST_TIMER));
  else if (isLast) end();
  else if (!navigator.onLine) timer = setTimeout(wait, FIRST_PAUSE); // better not asked than not heard
  else refresh();
}

async function refresh() {
  const mine = held;
  const isStillMine = () => held === mine; // or another sign-in, or a log-out, came meanwhile
  try {
    const told = await renewal(mine, isStillMine);
    if (!isStillMine()) return;
    take(told);
    tell("AUTH.TOKEN_REFRESHED", held.credentials);
  } catch (error) {
    if (isStillMine()) end();
  }
}

/**
 * What follows on what is held. A refresh token whose answer was lost may be spent, and shown again it would end
 * everything: then the browser's session is asked, if it is of the same agent.
 */
async function renewal(mine, isWanted) {
  try {
    const { refreshToken } = mine.credentials;
    return await insist("refresh", { refreshToken }, (error) => !error.isLost && isWanted());
  } catch (error) {
    if (!error.isLost || !isWanted()) throw error;
  }
  const told = await insist("session", {}, isWanted);
  if (told.currentUser.id !== mine.user) throw invalid("the browser's session is another agent's");
  return told;
}

function end() {
  forget();
  isSignedIn = false;
  tell("AUTH.REFRESH_TOKEN_EXPIRED");
}

// --- The portal ------------------------------------------------------------------------------------------------------

/** Asks the portal; throws Refused with its reason, or because it cannot be reached. */
async function ask(what, body) {
  let answer;
  let told;
  try {
    answer = await fetch(CALLS + what, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Bus-Page": sealed },
      body: JSON.stringify(body),
      redirect: "error",
    });
    told = await answer.json();
  } catch {
    const message = "The portal cannot be reached.";
    throw new Refused({ code: "unavailable", message }, { isPassing: true, isLost: true });
  }
  if (answer.ok) return told;
  const isLost = answer.status >= 500 && answer.status !== 503;
  const isPassing = answer.status === 429 || answer.status >= 500;
  const error = told.error ?? { code: "unavailable", message: "The portal cannot answer." };
  throw new Refused(error, { isPassing, isLost });
}

/** Asks until the portal says yes or no, or until nobody wants to know any more. */
async function insist(what, body, isWanted = (_error) => true) {
  for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    try {
      return await ask(what, body);
    } catch (error) {
      if (!error.isPassing || !isWanted(error)) throw error;
    }
    await new Promise((done) => setTimeout(done, pause));
  }
}

// --- Reading ---------------------------------------------------------------------------------------------------------

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The payload, whose named texts must be there, and no longer than this. */
function read(payload, texts) {
  if (!isObject(payload)) throw invalid("the payload is no object");
  for (const [name, longest] of Object.entries(texts)) {
    const value = payload[name];
    if (typeof value !== "string" || !value || value.length > longest) {
      throw invalid(`${name} must be text of at most ${longest} characters`);
    }
  }
  return payload;
}

function shortened(name) {
  return typeof name === "string" || typeof name === "number" ? String(name).slice(0, LONGEST_NAME) : "";
}

function invalid(why) {
  return new Refused({ code: "invalid_payload", message: `The message cannot be read: ${why}.` });
}
