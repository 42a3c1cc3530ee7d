"""Which addresses may be registered: those that a browser goes to as they are written, and nowhere else."""

import pytest

from tokens.models import why_not_address


@pytest.mark.parametrize(
    "address",
    [
        "https://crm.example/callback",
        "https://crm.example:8443/callback?tenant=1",
        "http://127.0.0.1:18555/callback/",
        "http://[::1]:18555/callback",
    ],
)
def test_address_may_be_registered(address):
    assert why_not_address(address) == ""


@pytest.mark.parametrize(
    "address",
    [
        "",
        "crm.example/callback",
        "javascript:alert(1)",
        "https://user@crm.example/",
        "https://crm.example/#part",
        "https://*.crm.example/",
        "https://crm.example/\nSet-Cookie: a=b",
        "https://crm.example\t/",
        "https://crm.example/a b",
        "https://crm.example;/",
        "https://crm.example:0/",
        "https://crm.example:x/",
        "https://crm.example/{a}|b",
    ],
)
def test_address_may_not_be_registered(address):
    assert why_not_address(address)


def test_address_without_https_leaves_the_machine_in_the_demo_only(settings):
    assert why_not_address("http://crm.example/") == ""
    settings.DEMO = False
    assert why_not_address("http://crm.example/")


@pytest.mark.parametrize("origin", ["https://crm.example", "https://crm.example:8443", "http://[::1]:80"])
def test_origin_may_be_registered(origin):
    assert why_not_address(origin, origin=True) == ""


@pytest.mark.parametrize(
    "origin",
    ["https://crm.example/", "https://crm.example?", "https://CRM.example", "https://a.example\nx", "null"],
)
def test_origin_may_not_be_registered(origin):
    assert why_not_address(origin, origin=True)
