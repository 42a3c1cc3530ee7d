"""Settings: read from the process environment, else from `.env`. docs/operating.md explains each.

A missing secret stops the start and names the variable.
"""

import os
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF

from sso_portal.lib.addresses import parse_networks
from sso_portal.lib.logs import is_bug

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
env.read_env(os.environ.get("ENV_FILE", str(BASE_DIR / ".env")))

# --- What this portal is -----------------------------------------------------------------------------------------

SECRET_KEY = env.str("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ENCRYPTION_KEYS = env.list("ENCRYPTION_KEY")  # the first encrypts, all decrypt
DEBUG = False

DEMO = env.bool("DEMO", default=False)  # the only place where http and private addresses are allowed
PORT = env.int("PORT", default=8000)  # read in the demo only
PORTAL_URL = env.str("PORTAL_URL", default=f"http://localhost:{PORT}") if DEMO else env.str("PORTAL_URL")
PORTAL_URL = PORTAL_URL.rstrip("/")
PORTAL_NETLOC = urlsplit(PORTAL_URL).netloc
PORTAL_HOST = urlsplit(PORTAL_URL).hostname or ""
CLIENT_DOMAIN = env.str("CLIENT_DOMAIN", default="localhost") if DEMO else env.str("CLIENT_DOMAIN")
ALLOWED_HOSTS = [PORTAL_HOST, f".{CLIENT_DOMAIN}"]
HTTPS = PORTAL_URL.startswith("https://")

TRUSTED_PROXIES = parse_networks(env.list("TRUSTED_PROXIES", default=[]))
# Whom else than the public network the portal may make requests to (back-channel log-out).
PRIVATE_IN_DEMO = ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]
OUTGOING_PRIVATE = parse_networks(env.list("OUTGOING_PRIVATE", default=PRIVATE_IN_DEMO if DEMO else []))
RATE_LIMITS = env.bool("RATE_LIMITS", default=True)  # stops throttles, never lock-out

LOGIN_TOKEN_LIFETIME = timedelta(seconds=env.int("LOGIN_TOKEN_SECONDS", default=60))
LOGIN_TOKENS_KEPT = timedelta(days=30)
EVENTS_KEPT = timedelta(days=env.int("EVENTS_KEPT_DAYS", default=400))
ACCESS_TOKEN_LIFETIME = ID_TOKEN_LIFETIME = timedelta(minutes=15)
SIGNING_KEYS_KEPT = timedelta(days=1)  # published, once another signs
SIGNED_URL_WORD = env.str("SIGNED_URL_WORD", default="licenseSpring")  # first in what the callers sign
ACTIVATION_CODE_LIFETIME = timedelta(hours=24)
LOCKOUT_FAILURES = env.int("LOCKOUT_FAILURES", default=5)
LOCKOUT_WINDOW = timedelta(minutes=env.int("LOCKOUT_WINDOW_MINUTES", default=15))
LOCKOUT_DURATION = timedelta(minutes=env.int("LOCKOUT_MINUTES", default=30))
# Of one address: so many sign-ins may fail in a minute; from so many in the window on it is slowed down, from so many
# names on it is reported.
ADDRESS_FAILURES = env.int("ADDRESS_FAILURES", default=30)
MANY_FAILURES = env.int("MANY_FAILURES", default=100)
MANY_FAILURES_WINDOW = timedelta(minutes=5)
MANY_NAMES = env.int("MANY_NAMES", default=50)
MANY_NAMES_WINDOW = timedelta(minutes=10)
LIMITS_PER_MINUTE = {
    "sign-in address": ADDRESS_FAILURES,
    "pop": 60,
    "platform": 600,
    "signed url": 300,
    "create_sso_token": 300,
    "token endpoint": 300,
    "native": 600,
    "bus": 60,  # codes, and sessions restored, of one session
    "refused credentials": 60,
    "recorded refusals": 60,  # of one address that says no name: the log is not for strangers to fill
    "recorded throttles": 1,  # of one who is known, and goes on after he was told to wait
}
LIMITS_PER_HOUR = {"invitations": 20}  # mails of one group
ADMINISTRATOR_IDLE = timedelta(minutes=15)
ADMINISTRATOR_LONGEST = timedelta(hours=8)
CLIENT_SESSION_IDLE = timedelta(minutes=30)  # of client companies' own people
CLIENT_SESSION_LONGEST = timedelta(hours=12)
ADMINISTRATOR_SESSIONS = 3  # at once; one more ends the least recently used

# --- Django ------------------------------------------------------------------------------------------------------

ROOT_URLCONF = "sso_portal.urls"
CLIENT_HOST_URLCONF = "tokens.client_host_urls"
WSGI_APPLICATION = "sso_portal.wsgi.application"
APPEND_SLASH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("es", "Español")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_THOUSAND_SEPARATOR = True

INSTALLED_APPS = [
    "sso_portal",
    "tokens",
    "groups",
    "accounts",
    "accounts.apps.BackOfficeConfig",  # django.contrib.admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",  # for `manage.py clearsessions`; the sessions are in accounts
    "django.contrib.staticfiles",
    "django.forms",  # its templates, of which ours take the place of some
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "rest_framework",
    "csp",
    "django_htmx",  # for its copy of htmx
]

MIDDLEWARE = [
    "sso_portal.middleware.edge",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "sso_portal.middleware.ContentPolicy",
    "sso_portal.middleware.language",
    "sso_portal.middleware.admission",
    "sso_portal.middleware.past_pages",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.administrator_session",
    "sso_portal.middleware.Refusals",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "groups.navigation.navigation",
            ],
        },
    },
]

FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# --- Databases, cache --------------------------------------------------------------------------------------------

(BASE_DIR / "var").mkdir(exist_ok=True)
DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'var' / 'portal.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",  # a writer waits for its turn instead of failing half-way
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["ENGINE"] = "sso_portal.lib.postgresql"
    DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True  # PgBouncer in transaction mode has none
    asked = DATABASES["default"].get("OPTIONS", {})
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 3,  # seconds
        # A server that is gone without a word is noticed within half a minute.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,  # milliseconds
        **asked,
        "options": "-c statement_timeout=5000 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=30000 "
        f"-c timezone=UTC {asked.get('options', '')}".rstrip(),
    }

# Carries allauth's throttles and once-only marks: shared between processes, so never a per-process cache.
CACHES: dict[str, dict[str, Any]] = {
    "default": env.cache("REDIS_URL")
    if env.str("REDIS_URL", default="")
    else {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "shared_cache",
        "OPTIONS": {"MAX_ENTRIES": 1_000_000},  # or strangers could crowd the marks of used codes out
    }
}
CACHES["default"].setdefault("OPTIONS", {})
if env.str("REDIS_URL", default=""):
    CACHES["default"]["OPTIONS"] = {"socket_connect_timeout": 3, "socket_timeout": 2} | CACHES["default"][
        "OPTIONS"
    ]

# --- Administrators: e-mail, password, second factor (allauth) ---------------------------------------------------

AUTH_USER_MODEL = "accounts.Administrator"
AUTHENTICATION_BACKENDS = ["accounts.adapters.Backend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
PASSWORD_HASHERS = ["sso_portal.lib.hashing.PeopleHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "accounts.passwords.MaximumLengthValidator"},
    {"NAME": "accounts.passwords.OwnWordsValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_ADAPTER = "accounts.adapters.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # operators register administrators; nobody signs up
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
# Wrong codes are counted in the database (accounts/forms.py), and never by the address that a call center shares.
ACCOUNT_RATE_LIMITS = {"login_failed": None} if RATE_LIMITS else False
MFA_ADAPTER = "accounts.adapters.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_RECOVERY_CODE_COUNT = 10
MFA_TOTP_TOLERANCE = 1  # step of 30 seconds, for clocks and for slow typing (RFC 6238, section 5.2)
MFA_TOTP_ISSUER = "Agent Portal"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEMO
MFA_FORMS = {
    "authenticate": "accounts.forms.CodeForm",
    "reauthenticate": "accounts.forms.ConfirmForm",
    "authenticate_webauthn": "accounts.forms.AuthenticateForm",
    "login_webauthn": "accounts.forms.LoginForm",
    "add_webauthn": "accounts.forms.AddForm",
    "reauthenticate_webauthn": "accounts.forms.ReauthenticateForm",
}

EMAIL_CONFIG = env.email(
    "EMAIL_URL", default=f"filemail:///{BASE_DIR / 'var' / 'mail'}" if DEMO else "smtp://localhost:25"
)
EMAIL_TIMEOUT = 10  # seconds
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"portal@{PORTAL_HOST}")

# --- Cookies, headers --------------------------------------------------------------------------------------------

# Under https the __Host- prefix binds a cookie to exactly this host; browsers refuse the prefix over http.
COOKIE_PREFIX = "__Host-" if HTTPS else ""
SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}administrator"
AGENT_COOKIE_NAME = f"{COOKIE_PREFIX}agent"
PENDING_COOKIE_NAME = f"{COOKIE_PREFIX}agent_pending"
CLIENT_COOKIE_NAME = f"{COOKIE_PREFIX}client"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_AGE = int(ADMINISTRATOR_LONGEST.total_seconds())
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_AGE = int(timedelta(days=365).total_seconds())
LANGUAGE_COOKIE_SECURE = HTTPS
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
THEME_COOKIE_NAME = "theme"  # like the language's, which it lasts as long as
CSRF_FAILURE_VIEW = "sso_portal.views.csrf_failure"

SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
# Safe, because the outermost middleware drops the header unless a trusted proxy sent it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000  # fifty clients with all their campaigns to tick
# Uploads stay in memory: the outermost middleware has measured the whole request before.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
FILE_UPLOAD_MAX_MEMORY_SIZE = LARGEST_UPLOAD = 5 * 1024 * 1024  # some 20,000 agents

# --- Static files ------------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=str(BASE_DIR / "var" / "static"))
STATICFILES_DIRS = [BASE_DIR / "sso_portal" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}

# --- APIs --------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    # Closed by default: each door says who may come in.
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["tokens.dialects.closed.Nobody"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
}

# --- What is told to those who watch -------------------------------------------------------------------------------

METRICS_TOKEN = env.str("METRICS_TOKEN", default="")  # without one there is no /metrics
# The exporter reads this and every other OTEL_… variable itself.
TRACES_GO_TO = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="")
CAN_TRACE = bool(TRACES_GO_TO) and find_spec("opentelemetry") is not None
if CAN_TRACE:
    MIDDLEWARE.insert(1, "sso_portal.tracing.traced")

LOG_REQUESTS = env.bool("LOG_REQUESTS", default=not DEMO)
LOG_FORMAT = env.str("LOG_FORMAT", default="console" if DEMO else "json")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"bugs": {"()": "django.utils.log.CallbackFilter", "callback": is_bug}},
    "formatters": {"portal": {"()": "sso_portal.lib.logs.formatter", "style": LOG_FORMAT}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "portal"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        "django.request": {"level": "ERROR", "filters": ["bugs"]},  # refusals are chosen answers, not news
        "fido2": {"level": "WARNING"},  # it would tell of each passkey that is shown
        # Nor is what strangers send: host names, too many fields, lookups. Each is answered; some are recorded.
        "django.security": {"level": "CRITICAL"},
        "django.security.csrf": {"level": "INFO"},
    },
}
