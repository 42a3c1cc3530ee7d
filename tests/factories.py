"""Rows for tests, valid unless a test says otherwise."""

import base64
import hashlib
from datetime import timedelta
from typing import Any

import factory
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.auth.hashers import make_password
from django.utils import timezone
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

from accounts.models import Administrator, Event, Outcome
from groups import models as groups
from sso_portal.lib.encryption import encrypt
from sso_portal.lib.secrets import digest_of, new_secret
from tests.security_key import SecurityKey
from tokens import models as tokens

PASSWORD = "correct horse battery"
TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
SECRET = "rs_the-secret-of-the-relying-party-under-test"
PLATFORM_KEY = "pk_the-platform-key-under-test"
API_KEY = "ak_the-api-key-under-test"
SIGNING_API_KEY = "sp_the-api-key-under-test"
SHARED_KEY = "the-shared-key/under+test="
_encoded: dict[str, str] = {}


def encoded(password: str) -> str:
    """The hash of a password, computed once a run."""
    if password not in _encoded:
        _encoded[password] = make_password(password)
    return _encoded[password]


class AdministratorFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Administrator
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"admin{n}@portal.example")
    full_name = "Ada Admin"
    password = factory.LazyFunction(lambda: encoded(PASSWORD))


class SecondFactorFactory(factory.django.DjangoModelFactory):
    """An authenticator app; its secret is `TOTP_SECRET`."""

    class Meta:
        model = Authenticator

    user = factory.SubFactory(AdministratorFactory)
    type = Authenticator.Type.TOTP
    data = factory.LazyFunction(lambda: {"secret": encrypt(TOTP_SECRET)})


class RecoveryCodesFactory(factory.django.DjangoModelFactory):
    """Ten recovery codes: `.wrap().get_unused_codes()`."""

    class Meta:
        model = Authenticator

    user = factory.SubFactory(AdministratorFactory)
    type = Authenticator.Type.RECOVERY_CODES
    data = factory.LazyFunction(lambda: {"seed": encrypt("5eed" * 20), "used_mask": 0})


class PasskeyFactory(factory.django.DjangoModelFactory):
    """A passkey as a browser registered it; nobody has its private half."""

    class Meta:
        model = Authenticator

    user = factory.SubFactory(AdministratorFactory)
    type = Authenticator.Type.WEBAUTHN
    data = factory.LazyFunction(lambda: {"name": "My key", "credential": _registered_credential()})


def _registered_credential() -> dict[str, Any]:
    key = ES256.from_cryptography_key(ec.generate_private_key(ec.SECP256R1()).public_key())
    made = AuthenticatorData.create(
        rp_id_hash=hashlib.sha256(b"localhost").digest(),
        flags=AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.AT,
        counter=0,
        credential_data=AttestedCredentialData.create(bytes(16), b"credential", key),
    )
    origin = CollectedClientData.create("webauthn.create", b"challenge", "http://localhost:8000")
    return {
        "id": websafe_encode(b"credential"),
        "rawId": websafe_encode(b"credential"),
        "type": "public-key",
        "response": {
            "clientDataJSON": websafe_encode(origin),
            "attestationObject": websafe_encode(AttestationObject.create("none", made, {})),
        },
    }


class EventFactory(factory.django.DjangoModelFactory):
    """A login that was issued, now; with a `reason`, one that was refused."""

    class Meta:
        model = Event

    at = factory.LazyFunction(timezone.now)
    reference = factory.Sequence(lambda n: f"TEST-0000-{n:04}")
    door = "agents"
    actor = factory.LazyAttribute(lambda row: f"agent:{row.agent}")
    action = "login.issue"
    reason = ""
    outcome = factory.LazyAttribute(lambda row: Outcome.REFUSED if row.reason else Outcome.OK)
    client = "demoaws"
    agent = "0" * 32


class GroupFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = groups.Group

    code = factory.Sequence(lambda n: f"group-{n}")
    name = factory.Sequence(lambda n: f"Group {n}")


class MembershipFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = groups.Membership

    administrator = factory.SubFactory(AdministratorFactory)
    group = factory.SubFactory(GroupFactory)
    role = groups.Role.OWNER


class GroupLogoFactory(factory.django.DjangoModelFactory):
    """A logo of one white pixel."""

    class Meta:
        model = groups.GroupLogo

    group = factory.SubFactory(GroupFactory)
    image = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg=="
    )
    digest = "0123456789abcdef"


class InvitationFactory(factory.django.DjangoModelFactory):
    """An open invitation; the secret for its link is in `secret`."""

    class Meta:
        model = groups.Invitation
        exclude = ("secret",)

    secret = factory.LazyFunction(lambda: new_secret("iv_"))
    digest = factory.LazyAttribute(lambda row: digest_of(row.secret))
    group = factory.SubFactory(GroupFactory)
    email = factory.Sequence(lambda n: f"newcomer{n}@portal.example")
    role = groups.Role.MANAGER
    invited_by = "administrator:owner@portal.example"
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=7))


class ClientFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = groups.Client

    subdomain = factory.Sequence(lambda n: f"client{n}")
    name = factory.Sequence(lambda n: f"Client {n}")
    login_url = factory.LazyAttribute(lambda row: f"https://{row.subdomain}.crm.example/login")


class DepartmentFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = groups.Department

    client = factory.SubFactory(ClientFactory)
    number = factory.Sequence(lambda n: n + 1)
    name = "Care"


class CampaignFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = groups.Campaign

    client = factory.SubFactory(ClientFactory)
    number = factory.Sequence(lambda n: n + 1)
    name = "Spring"


class EntitlementFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = groups.Entitlement

    group = factory.SubFactory(GroupFactory)
    client = factory.SubFactory(ClientFactory)


class NarrowingFactory(factory.django.DjangoModelFactory):
    """One of the clients that an agent whose `all_clients` is off may enter."""

    class Meta:
        model = groups.AgentEntitlement


class AgentFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = groups.Agent

    group = factory.SubFactory(GroupFactory)
    username = factory.Sequence(lambda n: f"agent{n}")
    full_name = "Andy Agent"
    password = factory.LazyFunction(lambda: encoded(PASSWORD))


class AgentFactorFactory(factory.django.DjangoModelFactory):
    """An agent's authenticator app; its secret is `TOTP_SECRET`."""

    class Meta:
        model = groups.AgentFactor

    agent = factory.SubFactory(AgentFactory)
    secret = factory.LazyFunction(lambda: encrypt(TOTP_SECRET))


class AgentPasskeyFactory(factory.django.DjangoModelFactory):
    """An agent's passkey; its private half is in `key`."""

    class Meta:
        model = groups.AgentPasskey
        exclude = ("key",)

    key = factory.LazyFunction(SecurityKey)
    agent = factory.SubFactory(AgentFactory)
    digest = factory.LazyAttribute(lambda row: hashlib.sha256(row.key.credential_id).hexdigest())
    credential = factory.LazyAttribute(lambda row: bytes(row.key.public_half))
    sign_count = factory.LazyAttribute(lambda row: row.key.counter)
    name = "Blue key"


class DialledNumberFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = groups.DialledNumber

    group = factory.SubFactory(GroupFactory)
    number = factory.Sequence(lambda n: f"+1800555{n:04}")
    client = factory.SubFactory(ClientFactory)


class AgentSessionFactory(factory.django.DjangoModelFactory):
    """A live session; the secret for its cookie is in `secret`."""

    class Meta:
        model = groups.AgentSession
        exclude = ("secret",)

    secret = factory.LazyFunction(new_secret)
    digest = factory.LazyAttribute(lambda row: digest_of(row.secret))
    agent = factory.SubFactory(AgentFactory)
    methods = ["pwd"]
    idle_at = factory.LazyFunction(lambda: timezone.now() + timedelta(minutes=30))
    ends_at = factory.LazyFunction(lambda: timezone.now() + timedelta(hours=12))


class CredentialFactory(factory.django.DjangoModelFactory):
    class Meta:
        abstract = True

    name = "Under test"

    @classmethod
    def _build_row(cls, model: Any, secret: str, **fields: Any) -> Any:
        row = model(**fields)
        row.take(secret)
        return row

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **fields: Any) -> Any:
        row = cls._build_row(model_class, fields.pop("secret"), **fields)
        row.save()
        return row


class RelyingPartySecretFactory(CredentialFactory):
    class Meta:
        model = tokens.RelyingPartySecret
        exclude = ("name",)

    relying_party = factory.SubFactory("tests.factories.RelyingPartyFactory", secret="")
    secret = SECRET


class RelyingPartyFactory(factory.django.DjangoModelFactory):
    """A relying party with a secret; without one when `secret` is ""."""

    class Meta:
        model = tokens.RelyingParty

    client = factory.SubFactory(ClientFactory)
    name = "Under test"

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **fields: Any) -> Any:
        secret = fields.pop("secret", SECRET)
        party = super()._create(model_class, *args, **fields)
        if secret:
            RelyingPartySecretFactory(relying_party=party, secret=secret)
        return party


class PlatformKeyFactory(CredentialFactory):
    class Meta:
        model = tokens.PlatformKey

    group = factory.SubFactory(GroupFactory)
    secret = PLATFORM_KEY


class ApiKeyFactory(CredentialFactory):
    """A key of the native API that may do everything."""

    class Meta:
        model = tokens.ApiKey

    group = factory.SubFactory(GroupFactory)
    scopes = factory.LazyFunction(lambda: list(tokens.Scope.values))
    secret = API_KEY


class AddressRuleFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = tokens.AddressRule

    group = factory.SubFactory(GroupFactory)
    network = "127.0.0.1/32"


class LoginTokenFactory(factory.django.DjangoModelFactory):
    """A login that waits to be redeemed; what its secret is, nobody knows."""

    class Meta:
        model = tokens.LoginToken

    digest = factory.LazyFunction(lambda: digest_of(new_secret()))
    kind = tokens.Kind.HAND_OFF
    agent = factory.SubFactory(AgentFactory)
    group = factory.SelfAttribute("agent.group")
    client = factory.SubFactory(ClientFactory)
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(seconds=60))


class SigningPairFactory(CredentialFactory):
    """A pair whose API key is `SIGNING_API_KEY` and whose shared key is `SHARED_KEY`."""

    class Meta:
        model = tokens.SigningPair

    relying_party = factory.SubFactory(RelyingPartyFactory, needs_pkce=False)
    secret = SIGNING_API_KEY
    shared_key = SHARED_KEY


class RegisteredAddressFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = tokens.RegisteredAddress

    relying_party = factory.SubFactory(RelyingPartyFactory)
    use = tokens.Use.REDIRECT
    address = "https://demoaws.crm.example/oidc/callback"


class BusAddressFactory(factory.django.DjangoModelFactory):
    """An origin whose pages may talk to the message bus; with `use`, an address for codes."""

    class Meta:
        model = tokens.BusAddress

    group = factory.SubFactory(GroupFactory)
    use = tokens.BusUse.ORIGIN
    address = "https://host.example"


CREDENTIAL_SECRET = "wc_the-secret-of-the-billing-system-under-test"


class ClientPersonFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = groups.ClientPerson

    client = factory.SubFactory(ClientFactory)
    email = factory.Sequence(lambda n: f"person{n}@client.example")
    full_name = "Petra Person"


class ClientSessionFactory(factory.django.DjangoModelFactory):
    """A live session of a client person; the secret for its cookie is in `secret`."""

    class Meta:
        model = groups.ClientSession
        exclude = ("secret",)

    secret = factory.LazyFunction(new_secret)
    digest = factory.LazyAttribute(lambda row: digest_of(row.secret))
    person = factory.SubFactory(ClientPersonFactory)
    idle_at = factory.LazyFunction(lambda: timezone.now() + timedelta(minutes=30))
    ends_at = factory.LazyFunction(lambda: timezone.now() + timedelta(hours=12))


class DestinationFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = groups.Destination

    client = factory.SubFactory(ClientFactory)
    name = "clientarea:invoices"
    path = "billing/invoices"


class ApiCredentialFactory(CredentialFactory):
    """The credential of a billing system; its secret is `CREDENTIAL_SECRET`. `clients` are those it may act for."""

    class Meta:
        model = tokens.ApiCredential

    identifier = "billing-under-test"
    secret = CREDENTIAL_SECRET

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **fields: Any) -> Any:
        clients = fields.pop("clients", [])
        row = super()._create(model_class, *args, **fields)
        row.clients.set(clients)
        return row


class CredentialAddressFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = tokens.CredentialAddress

    credential = factory.SubFactory(ApiCredentialFactory)
    network = "127.0.0.1/32"


class TokenFamilyFactory(factory.django.DjangoModelFactory):
    """What grew from a sign-in at a relying party; it has no tokens."""

    class Meta:
        model = tokens.TokenFamily

    relying_party = factory.SubFactory(RelyingPartyFactory, secret="")
    agent = factory.SubFactory(AgentFactory)
    group = factory.SelfAttribute("agent.group")
    client = factory.SelfAttribute("relying_party.client")
    authenticated_at = factory.LazyFunction(timezone.now)
    ends_at = factory.LazyFunction(lambda: timezone.now() + timedelta(hours=12))
