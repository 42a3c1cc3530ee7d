"""A pop in Alice's browser."""

import pytest


@pytest.fixture
def pop(signed_in, group):
    """Open a pop in Alice's browser."""

    def open_one(subdomain="demoaws", headers=None, **query):
        return signed_in.get(f"/sso/group/{subdomain}", {"group": group.pk} | query, headers=headers)

    return open_one
