"""Forged addresses: one function decides where a request comes from, for lists, limits and the audit log alike."""

import json

import pytest

from accounts.models import Event, Tally
from sso_portal.lib.addresses import parse_networks
from tests import factories
from tests.attacks.wire import FORM, JSON, send

pytestmark = pytest.mark.django_db

LISTED, STRANGER, PROXY = "127.0.0.1", "203.0.113.9", "10.0.0.1"
CLAIMS = {
    name: value
    for value in (LISTED, f"{LISTED}, {LISTED}", f"::ffff:{LISTED}", f"for={LISTED}")
    for name in (f"X-Forwarded-For {value}", f"Forwarded {value}", f"X-Real-IP {value}", f"Client-IP {value}")
}
UNREADABLE = (
    "unknown",
    "_gateway",
    f"{LISTED}:443",
    "[::1]:80",
    "fe80::1%eth0",
    "127.1",
    "0x7f000001",
    "127.0.0.01",
)
# Doors with a list of addresses, called as one who may call from 127.0.0.1 alone.
DOORS = {
    "platform": (
        "POST",
        "/api/sso/demoaws",
        JSON,
        b'{"username": "alice", "fullname": "A", "department_id": 1}',
    ),
    "native": ("GET", "/api/v1/entitlements", JSON, b""),
    "people": (
        "POST",
        "/includes/api.php",
        FORM,
        f"identifier=billing-under-test&secret={factories.CREDENTIAL_SECRET}&action=CreateSsoToken&client_id=".encode(),
    ),
}


def refusals():
    """What was refused here; one refusal is older than the test."""
    return Event.objects.filter(outcome="refused").exclude(reference="K7QF-3M2P-X8TA")


def call(world, door, *, peer, headers=None):
    method, address, kind, body = DOORS[door]
    if door == "people":
        body += str(world.person.client_id).encode()
    sent = world.credentials(address) | (headers or {})
    return send(method, address, body=body, kind=kind, headers=sent, peer=peer)


@pytest.mark.parametrize("door", DOORS)
def test_door_opens_from_its_list(world, door):
    assert call(world, door, peer=LISTED).status == 200


@pytest.mark.parametrize("door", DOORS)
def test_no_header_brings_a_stranger_onto_the_list(world, door):
    for claim in CLAIMS:
        name, _, value = claim.partition(" ")
        answer = call(world, door, peer=STRANGER, headers={name: value})
        assert answer.status in (401, 403), claim

    assert set(refusals().values_list("address", flat=True)) == {STRANGER}


@pytest.mark.parametrize("door", DOORS)
def test_no_header_brings_a_stranger_onto_the_list_behind_a_proxy(world, settings, door):
    settings.TRUSTED_PROXIES = parse_networks([PROXY])
    for claim in (LISTED, f"{LISTED}, {LISTED}", f"::ffff:{LISTED}", f"{PROXY}, {LISTED}", "unknown", ""):
        chain = {"X-Forwarded-For": f"{claim}, {STRANGER}"}
        assert call(world, door, peer=PROXY, headers=chain).status in (401, 403), claim

    assert set(refusals().values_list("address", flat=True)) == {STRANGER}


@pytest.mark.parametrize("hop", UNREADABLE)
def test_hop_that_cannot_be_read_is_refused_everywhere_and_recorded(world, settings, hop):
    settings.TRUSTED_PROXIES = parse_networks([PROXY])
    addresses = [
        "/sso/sign-in",
        "/accounts/login/",
        "/api/v1/entitlements",
        "/oauth/authorize",
        "/bus/",
        "/healthz",
    ]

    answers = [
        send("GET", address, peer=PROXY, headers={"X-Forwarded-For": f"{LISTED}, {hop}"})
        for address in addresses
    ]

    assert {answer.status for answer in answers} == {400}
    assert set(refusals().values_list("reason", "address")) == {("no_address", "")}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("chain", ["", ",,,", f"{LISTED}, "])
def test_emptied_chain_never_brings_a_stranger_onto_a_list_that_names_the_proxy(world, settings, door, chain):
    settings.TRUSTED_PROXIES = parse_networks([LISTED])

    answer = call(world, door, peer=LISTED, headers={"X-Forwarded-For": chain})

    assert answer.status == 400
    assert set(refusals().values_list("reason", "address")) == {("no_address", "")}


def test_limits_count_the_address_that_the_log_names(world, settings):
    settings.TRUSTED_PROXIES, settings.RATE_LIMITS = parse_networks([PROXY]), True
    body = json.dumps({"token": "x"}).encode()
    send("POST", "/api/v1/tokens/redeem", body=body, kind=JSON, peer=PROXY,
         headers={"X-Forwarded-For": f"{LISTED}, {STRANGER}"})  # fmt: skip

    assert Event.objects.get(action="login.redeem").address == STRANGER
    assert set(Tally.objects.filter(limit="refused credentials").values_list("who", flat=True)) == {STRANGER}
