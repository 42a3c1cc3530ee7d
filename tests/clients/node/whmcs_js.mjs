// whmcs-js: CreateSsoToken through its general call.
import { Authentication } from "whmcs-js";

begin("whmcs-js");

function call(parameters, changed = {}) {
  const api = new Authentication({
    identifier: said.WHMCS_IDENTIFIER,
    secret: said.WHMCS_SECRET,
    serverUrl: `${said.PORTAL_URL}/includes/api.php`,
    ...changed,
  });
  return api.callApi({ action: "CreateSsoToken", ...parameters });
}

const answer = await call({ client_id: said.CLIENT_ID, destination: "clientarea:invoices" });
assert.equal(answer.result, "success");
assert.match(answer.access_token, /^[0-9a-f]{40}$/);
did("CreateSsoToken with a destination");
const crm = said.REDEEM_BASE.replace("//", `//${said.CLIENT_SUBDOMAIN}.`);
assert.match(await visit(answer.redirect_url, crm), /[?&]token=/);
did("its address: handed off to the CRM");

assert.deepEqual(
  await call({ client_id: said.CLIENT_ID, user_id: said.OTHER_USER_ID }),
  { result: "error", message: "Invalid user_id for client" },
);
did("error: Invalid user_id for client");
assert.deepEqual(
  await call({ client_id: said.CLIENT_ID }, { secret: "wrong" }),
  { result: "error", message: "Authentication Failed" },
);
did("error: Authentication Failed");
process.exit(0);
