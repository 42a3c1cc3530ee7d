"""The samples on the integration page, run exactly as the page shows them, against a portal that listens."""

import html
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from accounts.models import Event
from groups.models import Agent
from tests import factories
from tokens.models import LoginToken
from tokens.samples import samples_of

RUNTIMES = {"curl": "sh", "python": sys.executable, "node": shutil.which("node"), "php": shutil.which("php")}
INSTALLED = [key for key, runtime in RUNTIMES.items() if runtime]
HOSTILE = {
    "username": """o'neil"$(touch pwned)`touch pwned`\\""",
    "full_name": """'; touch pwned; echo ' "\\ ${x} {{ x }} {% x %} </script> <?php ?> \\u0041 #{x} 😀 %s""",
}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def portal(live_server, settings):
    """The portal, listening under the address that its pages give out."""
    settings.PORTAL_URL = live_server.url
    return live_server


@pytest.fixture
def shown(portal, group, entitlement, owner, visit_as):
    """A sample's text, as the page shows it."""
    factories.PlatformKeyFactory(group=group)
    factories.AddressRuleFactory(group=group)

    def read(key: str) -> str:
        page = visit_as(owner).get(f"/groups/{group.pk}/integration/").content.decode()
        return html.unescape(re.search(rf'id="sample-{key}"[^>]*>(.*?)</pre>', page, re.DOTALL)[1])

    return read


@pytest.fixture
def run(tmp_path):
    """Run a sample, with this key; nothing it does leaves the folder."""

    def run_one(key: str, text: str, *, platform_key: str = factories.PLATFORM_KEY):
        program = tmp_path / f"sample.{'mjs' if key == 'node' else key}"
        program.write_text(text)
        done = subprocess.run(
            [RUNTIMES[key], str(program)],
            cwd=tmp_path,
            env=os.environ | {"PLATFORM_KEY": platform_key},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert [file.name for file in tmp_path.iterdir()] == [program.name]
        return done

    return run_one


@pytest.mark.parametrize("key", INSTALLED)
def test_sample_gets_a_login_as_it_is(key, shown, run, agent):
    done = run(key, shown(key))
    url = json.loads(done.stdout)["url"] if key == "curl" else done.stdout.strip()
    token = LoginToken.objects.get()
    assert (done.returncode, done.stderr) == (0, "")
    assert url.startswith("https://demoaws.crm.example/login?token=lt_")
    assert (token.agent, token.departments, token.campaigns) == (agent, [1], [1, 2, 3])


@pytest.mark.parametrize("key", INSTALLED)
def test_sample_stays_one_program_whatever_the_agent_is_called(key, shown, run, group):
    factories.AgentFactory(group=group, **HOSTILE)
    done = run(key, shown(key))
    assert (done.returncode, done.stderr) == (0, "")
    assert LoginToken.objects.get().agent.username == HOSTILE["username"]


@pytest.mark.parametrize("key", INSTALLED)
def test_sample_makes_its_agent_where_the_group_has_none(key, shown, run):
    run(key, shown(key))
    assert Agent.objects.get().username == "sample.agent"


@pytest.mark.parametrize("key", INSTALLED)
def test_sample_says_why_it_was_refused(key, shown, run, agent):
    done = run(key, shown(key), platform_key="pk_wrong")
    assert "Platform-Key is missing or wrong" in done.stdout + done.stderr
    assert Event.objects.filter(action="login.issue", reason="unauthorized").exists()


@pytest.mark.parametrize("key", [key for key in INSTALLED if key != "curl"])
def test_sample_fails_when_it_was_refused(key, shown, run, agent):
    assert run(key, shown(key), platform_key="pk_wrong").returncode == 1


def test_curl_sample_without_a_key_asks_for_it(shown, run, agent):
    done = run("curl", shown("curl"), platform_key="")
    assert (done.returncode, done.stdout) == (2, "")
    assert "PLATFORM_KEY" in done.stderr


def test_samples_hold_no_secret(shown, agent):
    assert not any(factories.PLATFORM_KEY in shown(key) for key in RUNTIMES)


def test_python_sample_is_what_python_reads_back():
    fields = {"fullname": HOSTILE["full_name"]}
    python = next(
        one for one in samples_of(url="https://portal.example", fields=fields) if one.key == "python"
    )
    names: dict[str, object] = {}
    exec(python.text.split("request = ")[0].split("import urllib.request\n")[1], names)
    assert names["LOGIN"] == fields
