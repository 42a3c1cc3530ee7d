"""`manage.py reencrypt`, and the change of either key: what the old one encrypted or signed goes on working."""

import re
from io import StringIO
from pathlib import Path

import pytest
from allauth.account.forms import default_token_generator
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db.models import CharField, JSONField, TextField

from accounts.models import AdministratorSession
from groups import authenticator_app, targets
from groups.models import AgentFactor
from groups.signing_in import MustShowFactor, _seal, proof_in
from sso_portal.lib.encryption import decrypt, encrypt, is_under_first_key
from tests import factories
from tokens import reencrypting, signing_keys
from tokens.models import Purpose, SigningKey, SigningPair
from tokens.reencrypting import COLUMNS, Column, look_at, reencrypt

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
FERNET = "gAAAA"  # how everything begins that is encrypted


@pytest.fixture
def sealed(agent, owner, visit_as, client_company):
    """A row in every column that is encrypted."""
    AgentFactor.objects.create(agent=agent, secret=encrypt(factories.TOTP_SECRET))
    factories.RecoveryCodesFactory(user=owner)
    factories.PasskeyFactory(user=owner)
    factories.SigningPairFactory()
    signing_keys.current(Purpose.TOKENS, "RS256")
    visit_as(owner)


@pytest.fixture
def rotated(sealed, settings):
    """The same, and ENCRYPTION_KEY has a new first."""
    settings.ENCRYPTION_KEYS = ["new", *settings.ENCRYPTION_KEYS]
    return settings


def manage(*arguments: str) -> str:
    out = StringIO()
    call_command("reencrypt", *arguments, stdout=out)
    return out.getvalue()


def holds_encrypted(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(holds_encrypted, value.values()))
    return str(value).startswith(FERNET)


def test_every_encrypted_column_is_known(sealed):
    """Whoever adds one adds it to COLUMNS, and a row of it to `sealed`."""
    found = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, CharField | TextField | JSONField)
        and any(map(holds_encrypted, model._default_manager.values_list(field.name, flat=True)))
    }

    assert found == {str(column) for column in COLUMNS}


def test_nobody_else_encrypts():
    """A new caller of `encrypt` is a new column: see the test above."""
    modules = {
        str(path.relative_to(ROOT))
        for app in ("accounts", "groups", "tokens")
        for path in (ROOT / app).rglob("*.py")
        if re.search(r"encryption import [^\n]*\bencrypt\b", path.read_text())
    }

    assert modules == {
        "accounts/sessions.py",
        "groups/authenticator_app.py",
        "tokens/models/credentials.py",
        "tokens/models/signing_key.py",
        "tokens/reencrypting.py",
        "tokens/demo_world/__init__.py",
        "tokens/dialects/sso_url.py",  # compares with it where there is no pair, and keeps it nowhere
    }


def test_everything_moves_to_the_first_key_and_is_what_it_was(rotated, owner):
    with pytest.raises(CommandError, match="do not drop it yet"):
        manage("--check")

    out = manage()
    rotated.ENCRYPTION_KEYS = ["new"]

    assert "The first key reads everything." in out
    assert "The first key reads everything." in manage("--check")
    assert decrypt(AgentFactor.objects.get().secret) == factories.TOTP_SECRET
    assert SigningPair.objects.get().shared_key == factories.SHARED_KEY
    assert SigningKey.objects.get().private_key.startswith("-----BEGIN")
    codes = Authenticator.objects.get(user=owner, type="recovery_codes")
    assert len(codes.wrap().get_unused_codes()) == 10
    assert is_under_first_key(AdministratorSession.objects.first().content)


def test_second_time_moves_nothing(rotated):
    manage()

    assert [reencrypt(column) for column in COLUMNS] == [0] * len(COLUMNS)


def test_key_that_was_dropped_too_early_is_told(sealed, settings):
    settings.ENCRYPTION_KEYS = ["new"]

    with pytest.raises(CommandError, match="none of ENCRYPTION_KEY"):
        manage()


def test_every_batch_is_looked_at(rotated, monkeypatch):
    monkeypatch.setattr(reencrypting, "AT_ONCE", 2)
    for _ in range(5):
        factories.SecondFactorFactory(data={"secret": encrypt("x")})
    Authenticator.objects.update(data={"secret": _under("under-test", rotated)})
    column = Column(Authenticator, "data", names=("secret", "seed"))

    assert reencrypt(column) == Authenticator.objects.count()
    assert look_at(column).others == 0


def _under(key: str, settings) -> str:
    present, settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS, [key]
    made = encrypt("JBSWY3DPEHPK3PXP")
    settings.ENCRYPTION_KEYS = present
    return made


def test_what_changes_at_the_same_moment_is_not_undone(rotated, monkeypatch):
    renew = reencrypting._renewed

    def renew_while_somebody_writes(sealed: str) -> str:
        AgentFactor.objects.update(secret=_under("under-test", rotated))
        monkeypatch.setattr(reencrypting, "_renewed", renew)
        return renew(sealed)

    monkeypatch.setattr(reencrypting, "_renewed", renew_while_somebody_writes)
    reencrypt(Column(AgentFactor, "secret"))

    assert decrypt(AgentFactor.objects.get().secret) == "JBSWY3DPEHPK3PXP"
    assert is_under_first_key(AgentFactor.objects.get().secret)


# --- SECRET_KEY ------------------------------------------------------------------------------------------------------


def what_is_signed(agent, owner, visit_as) -> dict:
    """One of everything that SECRET_KEY signs, each with the question whether it still works."""
    target = targets.seal(targets.Target("/sso/group?group=1"))
    pending = _seal(agent, ["pwd"], salt=MustShowFactor.SALT)
    proof = proof_in(pending, step=MustShowFactor, group=agent.group)
    proposed = authenticator_app.proposed_secret(proof.nonce)
    browser = visit_as(owner)
    owner.refresh_from_db()  # signing in voids links that were sent before
    reset = default_token_generator.make_token(owner)

    def proof_now():
        return proof_in(pending, step=MustShowFactor, group=agent.group)

    return {
        "target": lambda: targets.unseal(target) is not None,
        "pending sign-in": lambda: proof_now() is not None,
        "proposed app": lambda: proposed in authenticator_app.proposed_secrets(proof.nonce),
        "password reset": lambda: default_token_generator.check_token(owner, reset),
        "administrator's session": lambda: browser.get("/groups/").status_code == 200,
    }


def test_old_secret_key_goes_on_as_a_fallback(agent, owner, visit_as, settings):
    signed = what_is_signed(agent, owner, visit_as)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 50, [settings.SECRET_KEY]

    assert {name: works() for name, works in signed.items()} == dict.fromkeys(signed, True)


def test_old_secret_key_is_worth_nothing_without(agent, owner, visit_as, settings):
    signed = what_is_signed(agent, owner, visit_as)
    settings.SECRET_KEY = "n" * 50

    assert {name: works() for name, works in signed.items()} == dict.fromkeys(signed, False)


def test_invitations_and_agents_sessions_do_not_depend_on_it(client, session, alices_secret, settings, group):
    """Their secrets are random and kept as digests: what ends them is their own end."""
    factories.InvitationFactory(secret="iv_to-be-followed")
    client.cookies[settings.AGENT_COOKIE_NAME] = alices_secret
    settings.SECRET_KEY = "n" * 50

    assert client.get("/invitations/iv_to-be-followed/").status_code == 200
    assert client.get(f"/sso/group?group={group.pk}").status_code == 200
