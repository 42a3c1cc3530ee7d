"""The samples of the other doors, run exactly as the integration page shows them, against a portal that listens."""

import html
import json
import os
import re
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.conf import settings

from accounts.models import Event
from tests import factories
from tokens.models import RelyingParty

pytestmark = pytest.mark.django_db(transaction=True)

CALLBACK = "http://127.0.0.1:18555/callback"
RUNTIMES = {"curl": "sh", "python": sys.executable}


@pytest.fixture
def portal(live_server, settings):
    """The portal, listening under the address that its pages give out."""
    settings.PORTAL_URL = live_server.url
    settings.PORTAL_NETLOC = urlsplit(live_server.url).netloc
    return live_server


@pytest.fixture
def party(client_company) -> RelyingParty:
    """A relying party with every door of its client."""
    party = factories.RelyingPartyFactory(client=client_company, needs_pkce=False)
    factories.RegisteredAddressFactory(relying_party=party, address=CALLBACK)
    factories.SigningPairFactory(relying_party=party)
    return party


@pytest.fixture
def credential(client_company):
    """May ask for logins of the client's people; one of them owns it."""
    factories.ClientPersonFactory(client=client_company, is_owner=True)
    credential = factories.ApiCredentialFactory(clients=[client_company])
    factories.CredentialAddressFactory(credential=credential)
    return credential


@pytest.fixture
def shown(portal, group, entitlement, owner, visit_as):
    """A sample's text, as the page shows it."""

    def read(key: str) -> str:
        page = visit_as(owner).get(f"/groups/{group.pk}/integration/").content.decode()
        return html.unescape(re.search(rf'id="sample-{key}"[^>]*>(.*?)</pre>', page, re.DOTALL)[1])

    return read


@pytest.fixture
def start(tmp_path, shown):
    """Start a sample with these secrets in its environment."""

    def start_one(key: str, **secrets: str) -> subprocess.Popen[str]:
        program = tmp_path / key
        program.write_text(shown(key))
        return subprocess.Popen(
            [RUNTIMES[key.rpartition("_")[2]], str(program)],
            cwd=tmp_path,
            env=os.environ | secrets,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start_one


@pytest.fixture
def run(start):
    """Run a sample to its end: what it printed, and said."""

    def run_one(key: str, **secrets: str) -> tuple[str, str]:
        return start(key, **secrets).communicate(timeout=30)

    return run_one


@pytest.mark.usefixtures("party")
def test_secret_is_checked(run):
    printed, said = run("oidc_curl", CLIENT_SECRET=factories.SECRET)

    assert (json.loads(printed), said) == ({"active": False}, "")


@pytest.mark.usefixtures("party")
def test_wrong_secret_is_told(run):
    printed, _ = run("oidc_curl", CLIENT_SECRET="rs_wrong")

    assert json.loads(printed)["error"] == "invalid_client"


def browser_ends_at(url: str, *, cookie: str) -> str:
    """Where the browser of an agent who is signed in ends."""
    cookies = {settings.AGENT_COOKIE_NAME: cookie}
    answer = requests.get(url, cookies=cookies, allow_redirects=False, timeout=10)
    assert answer.status_code in (302, 303), answer.text
    return answer.headers["Location"]


@pytest.mark.parametrize("is_public", [False, True])
def test_sign_in_ends_with_what_is_told_of_the_agent(start, party, agent, is_public):
    RelyingParty.objects.update(is_public=is_public, needs_pkce=is_public)
    factories.AgentSessionFactory(agent=agent, secret="as_alice")
    program = start("oidc_python", **({} if is_public else {"CLIENT_SECRET": factories.SECRET}))

    address = program.stdout.readline().strip()
    ended = browser_ends_at(address, cookie="as_alice")
    printed, said = program.communicate(f"{ended}\n", timeout=30)

    assert said == ""
    assert ended.startswith(CALLBACK)
    assert json.loads(printed)["sub"] == agent.subject


@pytest.mark.usefixtures("party", "agent")
def test_sign_in_with_somebody_elses_answer_fails(start):
    program = start("oidc_python", CLIENT_SECRET=factories.SECRET)

    _, said = program.communicate(f"{CALLBACK}?code=x&state=y\n", timeout=30)

    assert program.returncode == 1
    assert "no answer to this question" in said


KEYS = {"API_KEY": factories.SIGNING_API_KEY, "SHARED_KEY": factories.SHARED_KEY}


@pytest.mark.usefixtures("party")
@pytest.mark.parametrize("key", ["sso_url_curl", "sso_url_python"])
def test_signed_call_gets_an_address(run, key, group):
    printed, said = run(key, **KEYS)

    url = json.loads(printed)["url"] if key == "sso_url_curl" else printed.strip()
    assert said == ""
    assert parse_qs(urlsplit(url).query)["group"] == [str(group.pk)]


@pytest.mark.usefixtures("party")
@pytest.mark.parametrize("key", ["sso_url_curl", "sso_url_python"])
def test_call_with_a_wrong_key_says_so(run, key):
    printed, said = run(key, **KEYS | {"SHARED_KEY": "wrong"})

    assert "signature" in printed + said
    assert Event.objects.filter(reason="signature_mismatch").exists()


def test_login_of_the_owner_is_created(run, credential):
    printed, said = run(
        "create_sso_token_curl", IDENTIFIER=credential.identifier, SECRET=factories.CREDENTIAL_SECRET
    )

    assert (json.loads(printed)["result"], said) == ("success", "")


def test_entitlements_are_asked_for(run, group, party):
    factories.ApiKeyFactory(group=group)
    factories.AddressRuleFactory(group=group)

    printed, said = run("native_curl", API_KEY=factories.API_KEY)

    assert said == ""
    assert "demoaws" in printed


@pytest.mark.usefixtures("party", "credential")
@pytest.mark.parametrize("key", ["oidc_curl", "sso_url_curl", "create_sso_token_curl", "native_curl"])
def test_sample_without_its_secret_asks_for_it(start, key):
    program = start(key, CLIENT_SECRET="", API_KEY="", SHARED_KEY="", IDENTIFIER="", SECRET="")

    printed, said = program.communicate(timeout=30)

    assert (program.returncode, printed) == (2, "")
    assert "holds no" in said
