"""The portal's settings of its next version, which brings a migration."""

from sso_portal.settings import *  # noqa: F403
from sso_portal.settings import INSTALLED_APPS as PRESENT

INSTALLED_APPS = [*PRESENT, "tests.live.expanding"]
