"""What a proxy may tell the portal, and who is one."""

import pytest
from django.core.handlers.wsgi import WSGIRequest

from accounts.models import Event
from sso_portal.express import express
from sso_portal.lib.addresses import parse_networks


@pytest.fixture
def seen(rf):
    """The request as the portal sees it, behind what is outermost."""

    def seen(**meta):
        kept = []

        def portal(environ, start_response):
            kept.append(WSGIRequest(environ))
            return ()

        express(portal)(rf.get("/healthz", **meta).environ, None)
        return kept[0]

    return seen


def test_scheme_from_an_untrusted_peer_is_dropped(seen):
    request = seen(REMOTE_ADDR="203.0.113.9", HTTP_X_FORWARDED_PROTO="https")

    assert not request.is_secure()


def test_scheme_from_a_trusted_proxy_is_believed(seen, settings):
    settings.TRUSTED_PROXIES = parse_networks(["10.0.0.0/8"])

    request = seen(REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_PROTO="https")

    assert request.is_secure()


@pytest.mark.django_db
def test_event_has_the_address_of_the_peer_whatever_it_forwards(client):
    client.get("/sso/sign-in?group=x", REMOTE_ADDR="203.0.113.9", headers={"X-Forwarded-For": "127.0.0.1"})

    assert Event.objects.get().address == "203.0.113.9"


@pytest.mark.django_db
def test_event_has_the_address_that_a_trusted_proxy_tells(client, settings):
    settings.TRUSTED_PROXIES = parse_networks(["10.0.0.0/8"])

    client.get(
        "/sso/sign-in?group=x", REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": "127.0.0.1, 203.0.113.9"}
    )

    assert Event.objects.get().address == "203.0.113.9"


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["X-Forwarded-Host", "Forwarded", "X-Original-URL", "X-Rewrite-URL"])
def test_other_headers_steer_nothing(client, name):
    response = client.get("/groups/", headers={name: "evil.example"})

    assert response["Location"] == "/accounts/login/?next=/groups/"
