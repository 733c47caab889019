"""The one settings module, read from the environment.

Nothing set: the embedded default (SQLite under ``var/``, generated keys, loopback
only). ``DATABASE_URL``, ``SECRET_KEY``, ``SECRETS_KEYS`` and ``ALLOWED_HOSTS`` set: production
behind a TLS proxy. README lists every variable.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path
from typing import Any

import environ

from portal.keys import kept_key
from portal.logs import logging_config

env = environ.Env()

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.str("STANDBY_DATA_DIR", default=str(BASE_DIR / "var")))
DEBUG = False
DEMO = env.bool("STANDBY_DEMO", default=False)
IS_PRODUCTION = bool(env.str("DATABASE_URL", default="")) and not DEMO

# Keys. In production both must be given; the embedded default makes its own once and keeps them.
SECRET_KEY = env.str("SECRET_KEY", default="") or kept_key(DATA_DIR / "secret-key", IS_PRODUCTION)
# Former ones: what they signed is still believed, until they are taken out.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
SECRETS_KEYS = env.list("SECRETS_KEYS", default=[]) or [
    kept_key(DATA_DIR / "secrets-key", IS_PRODUCTION, fernet=True)
]

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# An endpoint of a cloud account may name this machine only where the lab lives on it.
ALLOW_LOOPBACK_CLOUDS = DEMO
# Where clouds, gateways and webhooks may be; empty: in any network.
ENDPOINT_NETWORKS = [
    ipaddress.ip_network(each.strip()) for each in env.list("ENDPOINT_NETWORKS", default=[])
]

INSTALLED_APPS = [
    "portal",
    "backups",
    "volumes",
    "disaster_recovery",
    "reporting",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "django_htmx",
    "django_q",
    "django_tables2",
    "ninja",
    "csp",
]

MIDDLEWARE = [
    "reporting.metrics_requests.timed",
    "portal.middleware.request_id",
    "portal.middleware.browser_rules",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.middleware.CompressedPages",
    "csp.middleware.CSPMiddleware",
    "portal.middleware.readable_cookies",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.middleware.SignInRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
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
                "portal.context_processors.shell",
            ],
            "builtins": ["portal.templatetags.ui"],
        },
    }
]
FORM_RENDERER = "portal.forms.StandbyRenderer"


# What the server is told for each connection: a client whose network went away without a word
# would hold its row locks for hours, and every other worker would wait for them.
_LET_GO = (
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 "
    "-c tcp_user_timeout=25000 -c idle_in_transaction_session_timeout=300000"
)

# libpq's connection parameters; those in DATABASE_URL win. Seconds, the last milliseconds.
_NOTICE_SILENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def _database() -> dict[str, Any]:
    """Return the default database, with what each backend needs to be safe under many writers."""
    url = env.str("DATABASE_URL", default="") or f"sqlite:///{DATA_DIR / 'standby.sqlite3'}"
    config: dict[str, Any] = env.db_url_config(url)
    if config["ENGINE"] == "django.db.backends.sqlite3":
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
        # Worker processes of the crash tests share the file with the test process.
        config["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
    else:
        config["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=600)
        config["CONN_HEALTH_CHECKS"] = True
        # Whoever vanishes without a word is noticed in half a minute, not in hours.
        config["OPTIONS"] = _NOTICE_SILENCE | {"options": _LET_GO} | config.get("OPTIONS", {})
    return config


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    "default": {
        # Sign-in limits must hold over all processes, so the cache is the database.
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "portal_cache",
        # Past 300, which is what Django would keep, counts of tries would push each other out.
        "OPTIONS": {"MAX_ENTRIES": 50_000},
    },
    # django-q2 writes its own state twice a second; nobody here reads it.
    "queue": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    # What takes long to count and hardly changes; each process counts for itself.
    "figures": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "figures",
        "TIMEOUT": 600,
    },
}

# People
AUTH_USER_MODEL = "portal.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "portal:home"
ACCOUNT_ADAPTER = "portal.sign_in.SignInAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = None
ACCOUNT_PRESERVE_USERNAME_CASING = False
INVITATION_DAYS = 7
PASSWORD_RESET_TIMEOUT = 3600
# A link, or a sign-in with the identity provider, is asked for at most so often from one address.
SIGN_IN_LIMITS = {"invitation": "30/m/ip", "single_sign_on": "30/m/ip"}

# Second factors. Nobody signs up here by themselves, so no address is anybody else's.
MFA_ADAPTER = "portal.second_factor.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["recovery_codes", "totp", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_FORMS = {
    "activate_totp": "portal.second_factor.ActivateForm",
    "add_webauthn": "portal.second_factor.AddPasskeyForm",
    "edit_webauthn": "portal.second_factor.RenamePasskeyForm",
}
STAFF_TWO_FACTOR = env.bool("STAFF_TWO_FACTOR", default=IS_PRODUCTION)

# Single sign-on with one OpenID Connect provider; without an issuer there is none.
OIDC_ISSUER = env.str("OIDC_ISSUER", default="")
OIDC_CLIENT_ID = env.str("OIDC_CLIENT_ID", default="")
OIDC_CLIENT_SECRET = env.str("OIDC_CLIENT_SECRET", default="")
OIDC_NAME = env.str("OIDC_NAME", default="single sign-on")
OIDC_SCOPES = env.str("OIDC_SCOPES", default="openid profile email")
# Who signed the certificate of the provider, instead of the public authorities.
OIDC_CA_FILE = env.str("OIDC_CA_FILE", default="")

# Sessions: how long at most, and how long without a click.
SESSION_COOKIE_AGE = env.int("SESSION_HOURS", default=12) * 3600
SESSION_IDLE_SECONDS = env.int("SESSION_IDLE_MINUTES", default=12 * 60 if DEMO else 30) * 60
SESSION_COOKIE_HTTPONLY = True
# Browsers take a cookie of such a name only over TLS, for this host alone.
SESSION_COOKIE_NAME = "__Host-sessionid" if IS_PRODUCTION else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if IS_PRODUCTION else "csrftoken"
SESSION_COOKIE_SAMESITE = "Lax"

# Mail: the console serves the demo
# A mail server that does not answer must not hold a worker for ever.
EMAIL_TIMEOUT = 10
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="standby@localhost")

# Time and language
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

# Static files
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = DATA_DIR / "static"
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": env.str(
            "STATICFILES_BACKEND", default="whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}

# Security
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_PRODUCTION
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=IS_PRODUCTION)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if IS_PRODUCTION else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_PRODUCTION
# Only behind a proxy that sets it and strips it from clients (README, deployment).
if env.bool("TRUST_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
TRUSTED_PROXY_COUNT = 1 if env.bool("TRUST_PROXY", default=False) else 0
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT

# What a request may bring. No page takes files, so that none is ever written to disk.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
DATA_UPLOAD_MAX_NUMBER_FILES = 0

# Queue: django-q2 carries wakes only (engine README). Values measured, see decisions in README.
Q_CLUSTER = {
    "name": "standby",
    "orm": "default",
    "cache": "queue",
    "workers": env.int("WORKERS", default=2),
    "queue_limit": 1,
    "bulk": 1,
    "poll": 0.2,
    "timeout": 300,
    "retry": 900,
    "ack_failures": True,
    "max_attempts": 1,
    "save_limit": -1,
    "catch_up": False,
    "label": "Queue",
}

# Engine
ENGINE_THREADS = env.int("ENGINE_THREADS", default=16)
ENGINE_POLL_SECONDS = env.float("ENGINE_POLL_SECONDS", default=2.0)
ENGINE_LEASE_SECONDS = env.float("ENGINE_LEASE_SECONDS", default=15.0)
CLOUD_CONNECT_TIMEOUT_SECONDS = env.float("CLOUD_CONNECT_TIMEOUT_SECONDS", default=5.0)
CLOUD_READ_TIMEOUT_SECONDS = env.float("CLOUD_READ_TIMEOUT_SECONDS", default=30.0)
INVENTORY_MINUTES = env.int("INVENTORY_MINUTES", default=10)

# Alerts and metrics
SCHEDULE_ALARM_MINUTES = env.int("SCHEDULE_ALARM_MINUTES", default=30)
# Who may have signed the certificates of webhooks, instead of the public authorities.
WEBHOOK_CA_FILE = env.str("WEBHOOK_CA_FILE", default="")
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
# Where the processes of one server count requests, named by the process that started them.
METRICS_DIR = DATA_DIR / "metrics" / f"{socket.gethostname()}-{os.getppid()}"
# prometheus-client reads this when it is imported, wherever that is first.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(METRICS_DIR)

# What one key may ask of the API in a minute, over all processes.
API_REQUESTS_A_MINUTE = env.int("API_REQUESTS_A_MINUTE", default=600)

DJANGO_TABLES2_TEMPLATE = "portal/_table.html"
LOGGING = logging_config(env.str("LOG_LEVEL", default="INFO"))
SILENCED_SYSTEM_CHECKS: list[str] = []
