"""The demo's relying parties of OpenID Connect: one like old software, of a browser, of another client, with ES256."""

from dataclasses import dataclass

from django.conf import settings

from groups.models import Client
from tokens.demo_world.derived import relying_party_id, relying_party_secret
from tokens.demo_world.making import make_credential
from tokens.models import Algorithm, RegisteredAddress, RelyingParty, RelyingPartySecret, Use

ORIGIN = "http://127.0.0.1:18555"
REDIRECT_URI = f"{ORIGIN}/oidc/callback/"
# The same site as the demo's portal: a browser sends its cookies there from within frames, too.
SAME_SITE_ORIGIN = "http://localhost:18555"
PATHS = {
    Use.REDIRECT: ("/oidc/callback/", "/oidc/silent/"),
    Use.LOGGED_OUT: ("/", "/logged-out/", "/oidc/callback/"),
    Use.ORIGIN: ("",),
}


@dataclass(frozen=True)
class Party:
    """A relying party of the demo."""

    purpose: str  # its id and secret are derived from it
    subdomain: str
    name: str
    is_public: bool = False
    needs_pkce: bool = True
    allows_token_grant: bool = False
    algorithm: Algorithm = Algorithm.RS256

    @property
    def identifier(self) -> str:
        return relying_party_id(self.purpose)

    @property
    def secret(self) -> str:
        return relying_party_secret(self.purpose)


CONFIDENTIAL = Party("oidc", "demoaws", "Back office", needs_pkce=False, allows_token_grant=True)
PUBLIC = Party("oidc public", "demoaws", "Browser application", is_public=True)
CONFIDENTIAL_2 = Party("oidc 2", "sandboxdemo", "Back office")
ELLIPTIC = Party("oidc es256", "demoaws", "Reporting", algorithm=Algorithm.ES256)
PARTIES = (CONFIDENTIAL, PUBLIC, CONFIDENTIAL_2, ELLIPTIC)


def build(clients: dict[str, Client]) -> None:
    """Make the relying parties with their addresses and secrets, or restore every row of them."""
    for party in PARTIES:
        row, _ = RelyingParty.objects.update_or_create(
            identifier=party.identifier,
            defaults={
                "client": clients[party.subdomain],
                "name": party.name,
                "is_active": True,
                "is_public": party.is_public,
                "needs_pkce": party.needs_pkce,
                "allows_token_grant": party.allows_token_grant,
                "algorithm": party.algorithm,
                "gives_refresh_tokens": True,
            },
        )
        _register(row)
        if not party.is_public:
            make_credential(RelyingPartySecret, party.secret, relying_party=row)


def values() -> dict[str, str]:
    """Their names and secrets, for scripts and tests."""
    return {
        "OIDC_ISSUER": settings.PORTAL_URL,
        "OIDC_CLIENT_ID": CONFIDENTIAL.identifier,
        "OIDC_CLIENT_SECRET": CONFIDENTIAL.secret,
        "OIDC_PUBLIC_CLIENT_ID": PUBLIC.identifier,
        "OIDC_CLIENT2_ID": CONFIDENTIAL_2.identifier,
        "OIDC_CLIENT2_SECRET": CONFIDENTIAL_2.secret,
        "OIDC_ES256_CLIENT_ID": ELLIPTIC.identifier,
        "OIDC_ES256_CLIENT_SECRET": ELLIPTIC.secret,
        "REDIRECT_URI": REDIRECT_URI,
    }


def _register(party: RelyingParty) -> None:
    for origin in (ORIGIN, SAME_SITE_ORIGIN):
        for use, paths in PATHS.items():
            for path in paths:
                RegisteredAddress.objects.get_or_create(
                    relying_party=party, use=use, address=f"{origin}{path}"
                )
