"""whmcspy: CreateSsoToken through its general call."""

from os import environ as said

from telling import begin, did, refused, visit
from whmcspy import WHMCS, exceptions

begin("whmcspy")
api = WHMCS(f"{said['PORTAL_URL']}/includes/api.php", said["WHMCS_IDENTIFIER"], said["WHMCS_SECRET"])

answer = api.call("CreateSsoToken", client_id=said["CLIENT_ID"], user_id=said["USER_ID"])
assert len(answer["access_token"]) == 40
did("CreateSsoToken")
assert "/client/" in visit(answer["redirect_url"])
did("its address: the client area")

why = refused(
    exceptions.Error,
    lambda: api.call("CreateSsoToken", client_id=said["CLIENT_ID"], destination="clientarea:nowhere"),
)
assert str(why) == "Invalid destination", why
did("error: Invalid destination")

api.secret = "wrong"
why = refused(exceptions.MissingPermission, lambda: api.call("CreateSsoToken", client_id=said["CLIENT_ID"]))
assert str(why) == "Authentication Failed", why
did("error: Authentication Failed")
