"""The group's sign-in page (wire.md, section 1): whose it is, who waits, where its form may end."""

import pytest

pytestmark = pytest.mark.django_db


def test_sign_in_page_opens_for_anybody(sign_in_page):
    response = sign_in_page()

    assert response.status_code == 200
    assert b"Northwind" in response.content


def test_sign_in_page_tolerates_a_slash(client, group):
    assert client.get(f"/sso/sign-in/?group={group.pk}").status_code == 200


def test_sign_in_page_without_a_group_asks_which(client):
    response = client.get("/sso/sign-in")

    assert response.status_code == 200
    assert b'name="group"' in response.content


@pytest.mark.parametrize(
    "query",
    [
        "group=21&group=21",
        "group=x",
        "group=",
        "group=-1",
        "group=1.0",
        "group=٣",
        "group=1234567890",
        "group=+1",
    ],
)
@pytest.mark.parametrize("path", ["/sso/sign-in", "/sso/group", "/sso/password"])
def test_group_that_is_no_number_given_once_is_400(client, path, query):
    response = client.get(f"{path}?{query}")

    assert response.status_code == 400
    assert response["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/sso/sign-in", "/sso/group", "/sso/password"])
def test_unknown_group_is_404(client, path):
    assert client.get(f"{path}?group=999999999").status_code == 404


@pytest.mark.parametrize("path", ["/sso/sign-in", "/sso/group", "/sso/password"])
def test_inactive_group_is_404(client, group, path):
    type(group).objects.update(is_active=False)

    assert client.get(f"{path}?group={group.pk}").status_code == 404


def test_page_says_who_waits(sign_in_page, to, entitlement):
    response = sign_in_page(to).content.decode()

    assert "Next: Demo AWS" in response
    assert "…99" in response


def test_page_tells_a_stranger_nothing_of_a_client_without_entitlement(sign_in_page, to, client_company):
    response = sign_in_page(to).content.decode()

    assert "Demo AWS" not in response
    assert "…99" not in response


def form_action_of(response) -> str:
    (directive,) = [d for d in response["Content-Security-Policy"].split(";") if "form-action" in d]
    return directive.strip()


def test_form_may_end_at_the_waiting_client_and_its_further_origins(sign_in_page, to, entitlement):
    type(entitlement.client).objects.update(further_origins="https://app.example")

    assert (
        form_action_of(sign_in_page(to))
        == "form-action 'self' https://app.example https://demoaws.crm.example"
    )


def test_form_may_end_here_only_when_the_client_is_not_the_groups(sign_in_page, to, client_company):
    assert form_action_of(sign_in_page(to)) == "form-action 'self'"


def test_form_may_end_here_only_when_nobody_waits(sign_in_page):
    assert form_action_of(sign_in_page()) == "form-action 'self'"
