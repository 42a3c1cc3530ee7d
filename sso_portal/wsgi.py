"""What a WSGI server serves."""

import os

from django.core.wsgi import get_wsgi_application

from sso_portal.checks import refuse_unsafe_settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sso_portal.settings")

application = get_wsgi_application()
refuse_unsafe_settings()
