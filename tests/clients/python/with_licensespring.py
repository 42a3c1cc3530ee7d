"""licensespring (2.x, 3.x and 4.x alike): the signed call for an SSO address, its check of the signature on.

Its own options say where the portal is (api_protocol, api_domain) and whose signature to expect (signature_verifier).
"""

from os import environ as said
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from licensespring.api import APIClient
from licensespring.api.error import ClientError
from licensespring.api.signature import SignatureVerifier
from telling import begin, did, refused, visit


class OfPortal(SignatureVerifier):
    PUBLIC_KEY = Path(said["LS_PUBLIC_KEY_FILE"]).read_text()


def client(*, shared_key: str = said["LS_SHARED_KEY"], verifier: type = OfPortal) -> APIClient:
    return APIClient(
        api_key=said["LS_API_KEY"],
        shared_key=shared_key,
        signature_verifier=verifier,
        api_protocol="http",
        api_domain=urlsplit(said["PORTAL_URL"]).netloc,
    )


begin("licensespring")
asked = {"product": said["PRODUCT"], "customer_account_code": said["CUSTOMER_ACCOUNT_CODE"]}

answer = client().sso_url(**asked, response_type="code")
assert set(answer) == {"url", "openid_configuration"}, answer
did("sso_url for a code, LicenseSignature checked")
query = parse_qs(urlsplit(visit(answer["url"], said["REDIRECT_URI"])).query)
assert query["code"], query
did("sign-in there: code")

answer = client().sso_url(**asked)  # its default: the token grant
landed = urlsplit(visit(answer["url"], said["REDIRECT_URI"]))
assert not landed.query
assert {"id_token", "access_token", "token_type", "expires_in"} <= set(parse_qs(landed.fragment))
did("sso_url for tokens, sign-in there: tokens in the fragment")

why = refused(ClientError, lambda: client(shared_key="wrong").sso_url(**asked))
assert why.code == "signature_mismatch", why
why = refused(ClientError, lambda: client().sso_url(**asked | {"product": "nosuchproduct"}))
assert why.code == "unknown_product", why
did("refusals by their words")

refused(ValueError, lambda: client(verifier=SignatureVerifier).sso_url(**asked))
did("an answer that another key signed is not believed")
