"""A new owner's first days in the console, from the invitation to the end of an old key."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.acts import choose_password, crm_url, pop_url, sign_in, sign_in_administrator, turn_on_app

pytestmark = pytest.mark.browser

GROUP = "22"  # its one client is acme, its one agent sara.lind
OWNER_PASSWORD = "kettle-harbor-violin"
# Agents whom other tests made there do not count among those who work.
ONLY_SARA = (
    "from groups.models import Agent; "
    f"Agent.objects.filter(group_id={GROUP}).exclude(username='sara.lind').update(status='disabled')"
)
LONG = 120_000  # milliseconds, for thousands of rows on a busy machine


@pytest.fixture(scope="module")
def owner_state(browser, base_url, demo, demo_environment) -> dict:
    """The cookies of a new owner of group 22: invited by mail, second factor set up."""
    inviter = browser.new_context(base_url=base_url).new_page()
    sign_in_administrator(inviter, demo, "ADMIN")
    inviter.wait_for_url("**/groups/**")
    inviter.goto(f"/groups/{GROUP}/administrators/invite/")
    inviter.get_by_label("E-mail address").fill("nora@northwind.example")
    inviter.get_by_label("owner").check()
    inviter.get_by_role("button", name="Send the invitation").click()
    expect(inviter.get_by_text("nora@northwind.example").first).to_be_visible()

    page = browser.new_context(base_url=base_url).new_page()
    page.goto(link_in_newest_mail(demo_environment))
    page.get_by_label("Your name").fill("Nora Newcomer")
    page.get_by_label("Password", exact=True).fill(OWNER_PASSWORD)
    page.get_by_label("Password again").fill(OWNER_PASSWORD)
    page.get_by_role("button", name="Accept and sign in").click()
    page.get_by_role("link", name="Set up").click()
    turn_on_app(page)
    page.goto("/")
    page.wait_for_url(f"**/groups/{GROUP}/")
    state = page.context.storage_state()
    inviter.context.close()
    page.context.close()
    return state


def link_in_newest_mail(environment: dict[str, str]) -> str:
    folder = Path(environment["EMAIL_URL"].removeprefix("filemail:///"))
    newest = max(folder.iterdir(), key=lambda file: file.stat().st_mtime)
    return re.search(r"https?://\S+/invitations/\S+", newest.read_text())[0]


@pytest.fixture
def owner(new_context: Callable[..., BrowserContext], owner_state: dict) -> Page:
    return new_context(storage_state=owner_state).new_page()


@pytest.fixture
def owner_without_script(new_context: Callable[..., BrowserContext], owner_state: dict) -> Page:
    return new_context(storage_state=owner_state, java_script_enabled=False).new_page()


KNOWN = {"sara.lind": "Sara Lind"}  # who works in the demo is called so by other tests


def file_of(names: list[str], *, faulty: int = 0) -> dict:
    """A CSV file of agents with these usernames; the last so many of them have no e-mail address that could be one."""
    rows = [f"{name},{KNOWN.get(name, f'Walker {name}')},{name}@walk.example" for name in names]
    for i in range(1, faulty + 1):
        rows[-i] = rows[-i].replace("@", " at ")
    text = "\n".join(["username,full_name,email", *rows])
    return {"name": "agents.csv", "mimeType": "text/csv", "buffer": text.encode()}


def test_new_owner_stands_in_the_group(owner):
    owner.goto("/")

    expect(owner.get_by_role("link", name="Agents", exact=True)).to_be_visible()
    expect(owner.get_by_text("Southgate Services").first).to_be_visible()


def test_agent_whom_the_owner_made_activates_signs_in_and_pops(owner, page, demo):
    owner.goto(f"/groups/{GROUP}/agents/new/")
    owner.get_by_label("Username").fill("wanda.walker")
    owner.get_by_label("Full name").fill("Wanda Walker")
    owner.get_by_label("Give an activation code now").check()
    owner.get_by_role("button", name="Add agent").click()
    code = owner.get_by_label("Activation code").input_value()

    page.goto(pop_url(demo, "acme", group=GROUP))
    sign_in(page, {"NEW_USERNAME": "wanda.walker"}, "NEW", password=code)
    choose_password(page)
    page.wait_for_url(crm_url(demo, "acme"))

    expect(page.get_by_text("Wanda Walker").first).to_be_visible()


def test_five_thousand_agents_are_imported_and_a_roster_disables_leavers(owner, manage):
    names = [f"walk{i:04}" for i in range(5000)]
    manage("shell", "--no-imports", "-c", ONLY_SARA)
    owner.goto(f"/groups/{GROUP}/agents/import/")
    owner.get_by_label("CSV file").set_input_files(file_of(names, faulty=37))
    owner.get_by_role("button", name="Check the file").click()
    only_good = owner.get_by_role("button", name="Apply the good rows only")
    only_good.wait_for(timeout=LONG)
    expect(owner.get_by_text("37").first).to_be_visible()

    only_good.click()
    expect(owner.get_by_text("What the file did")).to_be_visible(timeout=LONG)

    owner.goto(f"/groups/{GROUP}/agents/?q=walk49")
    expect(owner.get_by_text("63 agents match").first).to_be_visible()  # 100 of them begin so, less 37

    disable_who_is_missing(owner)


def disable_who_is_missing(owner: Page) -> None:
    """A roster without 1,263 of the 4,964 who work, more than a fifth: the number is to be typed."""
    names = [f"walk{i:04}" for i in range(3700)] + ["sara.lind"]
    owner.goto(f"/groups/{GROUP}/agents/roster/")
    owner.get_by_label("CSV file").set_input_files(file_of(names))
    owner.get_by_role("button", name="Check the file").click()
    number = owner.get_by_label("How many agents will be disabled?")
    number.wait_for(timeout=LONG)

    number.fill("1263")
    owner.get_by_role("button", name="Apply, and disable 1,263 agents").click()
    expect(owner.get_by_text("What the file did")).to_be_visible(timeout=LONG)

    owner.goto(f"/groups/{GROUP}/agents/?status=disabled&q=walk4")
    expect(owner.get_by_text("963 agents match").first).to_be_visible()


class Caller(threading.Thread):
    """Call-center software that asks for logins all the time, with whichever key it was given last."""

    def __init__(self, demo: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self.url = f"{demo['PORTAL_URL']}/api/sso/acme"
        self.key, self.goes_on = demo["PLATFORM_KEY_OTHER"], True
        self.answers: list[tuple[str, int]] = []

    def run(self) -> None:
        body = {"username": "sara.lind", "fullname": "Sara Lind", "department_id": 7}
        while self.goes_on:
            key = self.key
            headers = {"Content-Type": "application/json", "Platform-Key": key}
            try:
                with urlopen(Request(self.url, json.dumps(body).encode(), headers), timeout=30) as answer:
                    self.answers.append((key, answer.status))
            except HTTPError as error:
                self.answers.append((key, error.code))
            time.sleep(0.05)

    def wait_for_more(self) -> None:
        """Until five more calls were answered."""
        enough = len(self.answers) + 5
        deadline = time.monotonic() + 60
        while len(self.answers) < enough and time.monotonic() < deadline:
            time.sleep(0.05)


@pytest.fixture
def software(demo: dict[str, str]) -> Iterator[Caller]:
    caller = Caller(demo)
    caller.start()
    yield caller
    caller.goes_on = False
    caller.join(30)


def test_key_is_rotated_without_a_failed_call(owner, software):
    software.wait_for_more()
    old = software.key
    owner.goto(f"/groups/{GROUP}/keys/")
    owner.get_by_role("link", name="Rotate").click()
    owner.get_by_role("button", name="Make the new key").click()
    software.wait_for_more()
    software.key = owner.get_by_label("Key", exact=True).input_value()
    software.wait_for_more()

    assert {status for _, status in software.answers} == {200}
    assert {key for key, _ in software.answers} == {old, software.key}


# --- Without JavaScript ----------------------------------------------------------------------------------------------


def test_search_works_without_script(owner_without_script):
    page = owner_without_script
    page.goto(f"/groups/{GROUP}/agents/")
    page.get_by_label("Name or username").fill("sara lind")
    page.get_by_role("button", name="Search").click()

    expect(page.get_by_role("link", name="sara.lind")).to_be_visible()
    expect(page.get_by_text("1 agent matches").first).to_be_visible()


def test_import_and_bulk_action_work_without_script(owner_without_script):
    page = owner_without_script
    page.goto(f"/groups/{GROUP}/agents/import/")
    page.get_by_label("CSV file").set_input_files(file_of(["quiet.one", "quiet.two"]))
    page.get_by_role("button", name="Check the file").click()
    apply = page.get_by_role("button", name=re.compile("^Apply"))
    look_until(page, apply)
    apply.click()
    look_until(page, page.get_by_text("What the file did"))

    page.goto(f"/groups/{GROUP}/agents/?q=quiet")
    expect(page.get_by_text("2 agents match").first).to_be_visible()

    suspend_all_found(page)


def suspend_all_found(page: Page) -> None:
    """Tick every row, and do something to all of them."""
    for box in page.locator("tbody input[type=checkbox]").all():
        box.check()
    page.get_by_label("What to do with the agents ticked").select_option("suspend")
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name=re.compile("^Suspend")).click()

    page.goto(f"/groups/{GROUP}/agents/?status=suspended&q=quiet")
    expect(page.get_by_text("2 agents match").first).to_be_visible()


def look_until(page: Page, wanted) -> None:
    """Load the page again, as its own refresh would, until this is there."""
    for _ in range(60):
        if wanted.count():
            return
        page.wait_for_timeout(500)
        page.reload()
    pytest.fail(f"Never came: {wanted}")
