// @licensespring/node-sdk: the signed call for an SSO address; its check of the answer's signature cannot be turned off.
// Its own options say where the portal is (apiPath) and whose signature to expect (publicKey).
import { LicenseAPI } from "@licensespring/node-sdk";

begin("@licensespring/node-sdk");

function api(changed = {}) {
  return new LicenseAPI({
    apiKey: said.LS_API_KEY,
    sharedKey: said.LS_SHARED_KEY,
    appName: "test",
    appVersion: "1",
    productCode: said.PRODUCT,
    apiPath: `${said.PORTAL_URL}/api/v4/`,
    publicKey: readFileSync(said.LS_PUBLIC_KEY_FILE, "utf8"),
    ...changed,
  });
}

const asked = { product: said.PRODUCT, customer_account_code: said.CUSTOMER_ACCOUNT_CODE };

const answer = await api().getSSOUrl({ ...asked, response_type: "code", redirect_uri: said.REDIRECT_URI });
assert.deepEqual(Object.keys(answer).sort(), ["openid_configuration", "url"]);
did("getSSOUrl for a code, LicenseSignature checked");
const landed = new URL(await visit(answer.url, said.REDIRECT_URI));
assert.ok(landed.searchParams.get("code"));
did("sign-in there: code");

const forTokens = await api().getSSOUrl({ ...asked, response_type: "token" });
const fragment = new URLSearchParams(new URL(await visit(forTokens.url, said.REDIRECT_URI)).hash.slice(1));
assert.ok(fragment.get("id_token") && fragment.get("access_token"));
did("getSSOUrl for tokens, sign-in there: tokens in the fragment");

await assert.rejects(api({ sharedKey: "wrong" }).getSSOUrl(asked), { code: "signature_mismatch" });
await assert.rejects(
  api().getSSOUrl({ ...asked, customer_account_code: "nosuchaccount" }), { code: "unknown_customer_account" },
);
did("refusals by their words");

const { generateKeyPairSync } = await import("node:crypto");
const { publicKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048, publicKeyEncoding: { type: "spki", format: "pem" },
});
await assert.rejects(api({ publicKey }).getSSOUrl(asked), { code: "signature_v2_mismatch" });
did("an answer that another key signed is not believed");
process.exit(0);
