"""mozilla-django-oidc: a Django site of its own, with the library's backend, views and middleware as they are.

It needs no option for http. It keeps no refresh tokens: its middleware asks again with prompt=none instead.
"""

import threading
import time
from os import environ as said
from urllib.parse import urlencode
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.urls import include, path
from telling import begin, did, visit

RENEWED_EVERY = 2  # seconds
SITE = f"http://127.0.0.1:{said['SITE_PORT']}"


def leave_portal_too(request: HttpRequest) -> str:
    """Where the browser goes after log-out: the portal, so that it ends its session as well."""
    asked = {
        "id_token_hint": request.session["oidc_id_token"],
        "post_logout_redirect_uri": f"{SITE}/logged-out/",
    }
    return f"{said['OIDC_ISSUER']}/oauth/logout?{urlencode(asked)}"


settings.configure(
    SECRET_KEY="a site of its own",
    ALLOWED_HOSTS=["127.0.0.1"],
    DEBUG_PROPAGATE_EXCEPTIONS=True,
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": said["SITE_DATABASE"]}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "mozilla_django_oidc",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "mozilla_django_oidc.middleware.SessionRefresh",
    ],
    AUTHENTICATION_BACKENDS=["mozilla_django_oidc.auth.OIDCAuthenticationBackend"],
    SESSION_COOKIE_NAME="site",
    CSRF_COOKIE_NAME="site_csrf",
    LOGIN_REDIRECT_URL="/",
    LOGIN_REDIRECT_URL_FAILURE="/refused/",
    LOGOUT_REDIRECT_URL="/logged-out/",
    OIDC_RP_CLIENT_ID=said["ID"],
    OIDC_RP_CLIENT_SECRET=said["SECRET"],
    OIDC_RP_SIGN_ALGO="RS256",
    OIDC_USE_PKCE=said["PKCE"] == "on",
    OIDC_TOKEN_USE_BASIC_AUTH=said["METHOD"] == "client_secret_basic",
    OIDC_OP_AUTHORIZATION_ENDPOINT=f"{said['OIDC_ISSUER']}/oauth/authorize",
    OIDC_OP_TOKEN_ENDPOINT=f"{said['OIDC_ISSUER']}/oauth/token",
    OIDC_OP_USER_ENDPOINT=f"{said['OIDC_ISSUER']}/oauth/userinfo",
    OIDC_OP_JWKS_ENDPOINT=f"{said['OIDC_ISSUER']}/.well-known/jwks.json",
    OIDC_OP_LOGOUT_URL_METHOD=f"{__name__}.leave_portal_too",
    OIDC_STORE_ID_TOKEN=True,
    OIDC_RENEW_ID_TOKEN_EXPIRY_SECONDS=RENEWED_EVERY,
)
django.setup()


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Welcome") if request.user.is_authenticated else HttpResponse("Who?", status=401)


def leave(request: HttpRequest) -> HttpResponse:
    token = get_token(request)
    field = f'<input type="hidden" name="csrfmiddlewaretoken" value="{token}">'
    return HttpResponse(f'<form method="post" action="/oidc/logout/">{field}<button>Leave</button></form>')


def goodbye(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Goodbye", status=403 if request.user.is_authenticated else 200)


def refused(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Refused", status=403)


urlpatterns = [
    path("", home),
    path("oidc/", include("mozilla_django_oidc.urls")),
    path("leave/", leave),
    path("logged-out/", goodbye),
    path("refused/", refused),
]


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Keep quiet."""


begin("mozilla-django-oidc")
call_command("migrate", verbosity=0)
server = make_server("127.0.0.1", int(said["SITE_PORT"]), get_wsgi_application(), handler_class=Quiet)
threading.Thread(target=server.serve_forever, daemon=True).start()

assert visit(f"{SITE}/oidc/authenticate/") == f"{SITE}/"
did("code + PKCE" if said["PKCE"] == "on" else "code with nonce, without PKCE")

people = get_user_model().objects.all()
assert [person.email for person in people] == [said["AGENT_EMAIL"]], people
did("ID token checked with the JWKS, userinfo")

time.sleep(RENEWED_EVERY + 0.5)
assert visit(f"{SITE}/") == f"{SITE}/"
did("renewal with prompt=none")

assert visit(f"{SITE}/leave/") == f"{SITE}/logged-out/"
did("log-out, at the portal too")
server.shutdown()
