// whmcs: CreateSsoToken through its modem, which every call of the library goes through; it says username and password.
import WHMCS from "whmcs";

begin("whmcs");

function call(body, changed = {}) {
  const client = new WHMCS({
    username: said.WHMCS_IDENTIFIER,
    password: said.WHMCS_SECRET,
    serverUrl: `${said.PORTAL_URL}/includes/api.php`,
    ...changed,
  });
  return new Promise((resolve, reject) => {
    const answered = (error, answer) => (error ? reject(error) : resolve(answer));
    client.utils.modem({ client, body: { action: "createssotoken", ...body } }, answered);
  });
}

const answer = await call({ client_id: said.CLIENT_ID, user_id: said.USER_ID });
assert.match(answer.access_token, /^[0-9a-f]{40}$/);
did("CreateSsoToken");
assert.match(await visit(answer.redirect_url), /\/client\//);
did("its address: the client area");

await assert.rejects(call({ client_id: "0" }), { message: "WHMCS Error (200): Invalid client_id" });
did("error: Invalid client_id");
await assert.rejects(
  call({ client_id: said.CLIENT_ID }, { password: "wrong" }), { message: "WHMCS Error (403): Authentication Failed" },
);
did("error: Authentication Failed");
process.exit(0);
