"""Django's settings; every value that an operator may choose comes from the environment through env.py."""

from __future__ import annotations

import sys
import tomllib
from datetime import timedelta
from pathlib import Path

import django_stubs_ext

from foundation.log_filter import not_logged_yet
from xmnotify import connections, env

django_stubs_ext.monkeypatch()

VAR = env.var_dir()
BASE_DIR = env.ROOT
SECRET_KEY = env.secret_key()
SECRET_KEY_FALLBACKS = env.secret_key_fallbacks("XMNOTIFY_SECRET_KEY_FALLBACKS")
XMNOTIFY_FERNET_KEYS = env.fernet_keys()
DEBUG = False
ALLOWED_HOSTS = env.hosts("XMNOTIFY_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.origins("XMNOTIFY_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "xmnotify",
    "foundation",
    "console",
    "devices",
    "servers",
    "templates_app",
    "dispatch",
    "api",
    "console.apps.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
]
MIDDLEWARE = [
    "xmnotify.web.proxies.ProxyMiddleware",
    "xmnotify.web.front.FrontMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "api.kit.direct.DirectMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "console.accounts.sessions.SessionMiddleware",
    "console.accounts.time_zones.TimeZoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "console.kit.csp.ContentSecurityPolicyMiddleware",
]
ROOT_URLCONF = "xmnotify.urls"
WSGI_APPLICATION = "xmnotify.wsgi.application"
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
            ],
        },
    }
]

DATABASES = {"default": connections.database(VAR)}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=134217728; "
        "PRAGMA wal_autocheckpoint=4000;",  # a batch of 1,000 events changes more than the 1,000 pages of the default
    }
elif not DATABASES["default"].get("DISABLE_SERVER_SIDE_CURSORS"):  # what is set behind a transaction-mode pooler
    DATABASES["default"]["OPTIONS"]["prepare_threshold"] = sys.maxsize  # only what requests it is
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

PASSWORD_HASHERS = [
    "console.accounts.hashing.BoundedArgon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
] + [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
]
AUTHENTICATION_BACKENDS = ["console.accounts.backends.PasswordBackend"]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]  # a further one only when all of its words are there: half a page is none
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(env.text("XMNOTIFY_STATIC_ROOT") or VAR / "static")
_PRIVATE = {"file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage",
        "OPTIONS": _PRIVATE if STATIC_ROOT.is_relative_to(VAR) else {},  # elsewhere another web server may read them
    },
}
WHITENOISE_USE_FINDERS = False

XMNOTIFY_TRUSTED_PROXIES = env.networks("XMNOTIFY_TRUSTED_PROXIES")
TLS_TERMINATED = env.tls("XMNOTIFY_TLS", proxies=XMNOTIFY_TRUSTED_PROXIES)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = TLS_TERMINATED
SECURE_HSTS_SECONDS = 31_536_000 if TLS_TERMINATED else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = TLS_TERMINATED
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TLS_TERMINATED else None
USE_X_FORWARDED_HOST = True  # with the line above: as trusted proxies say, see xmnotify.web.proxies
SESSION_COOKIE_HTTPONLY = True
XMNOTIFY_IDLE_MINUTES = env.integer("XMNOTIFY_IDLE_MINUTES", 60, least=1, most=1_440)
XMNOTIFY_SESSION_HOURS = env.integer("XMNOTIFY_SESSION_HOURS", 12, least=1, most=168)
SESSION_COOKIE_AGE = int(timedelta(hours=XMNOTIFY_SESSION_HOURS).total_seconds())
CSRF_FAILURE_VIEW = "console.kit.views.token_refused"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024 + 65_536

XMNOTIFY_JOURNAL = VAR / "journal"

CELERY_BROKER_URL = connections.broker_url(VAR)
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_ACKS_ON_FAILURE = True
CELERY_TASK_ACKS_ON_TIMEOUT = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = 24
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # by default a worker ends after 100, and with it the sweep
CELERY_TASK_DEFAULT_QUEUE = "drain"
CELERY_TASK_ROUTES = {
    "dispatch.drain_server": {"queue": "drain"},
    "dispatch.plan_broadcast": {"queue": "drain"},
    "dispatch.*": {"queue": "control"},
}
CELERY_DB_REUSE_MAX = sys.maxsize  # Celery closes no connection between tasks: xmnotify.celery does as Django would
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 2,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.2,
}
if CELERY_BROKER_URL.startswith("filesystem:"):
    _QUEUE_FOLDER = VAR / "broker"
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {
        "data_folder_in": str(_QUEUE_FOLDER / "queue"),
        "data_folder_out": str(_QUEUE_FOLDER / "queue"),
        "control_folder": str(_QUEUE_FOLDER / "control"),
        "polling_interval": 0.02,
    }
elif CELERY_BROKER_URL.startswith("redis"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "ack_emulation": False,  # four commands a task to have it again after a crash, which the sweep sees to
        "priority_steps": [0],
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "health_check_interval": 25,
        "global_keyprefix": env.text("XMNOTIFY_BROKER_PREFIX", "xmnotify:"),
    }
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {}

XMNOTIFY_VERSION = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]
XMNOTIFY_CONSOLE_NAME = env.text("XMNOTIFY_CONSOLE_NAME", "xmnotify")
XMNOTIFY_CONSOLE_URL = env.console_url("XMNOTIFY_CONSOLE_URL", "http://localhost:8000/")
XMNOTIFY_EHLO_NAME = env.full_name("XMNOTIFY_EHLO_NAME")
XMNOTIFY_SMTP_PORTS = env.ports("XMNOTIFY_SMTP_PORTS", "25,465,587,2525")
XMNOTIFY_HTTPS_PORTS = env.ports("XMNOTIFY_HTTPS_PORTS", "443")
XMNOTIFY_HTTP_PORTS = env.ports("XMNOTIFY_HTTP_PORTS", "80")
XMNOTIFY_ALLOWED_NETWORKS = env.networks("XMNOTIFY_ALLOWED_NETWORKS")
XMNOTIFY_DENIED_NETWORKS = env.networks("XMNOTIFY_DENIED_NETWORKS")
XMNOTIFY_ADMIN_GROUP = env.text("XMNOTIFY_ADMIN_GROUP")
XMNOTIFY_ADMIN_MAIL = env.words("XMNOTIFY_ADMIN_MAIL")
XMNOTIFY_ADMIN_MOBILE = env.words("XMNOTIFY_ADMIN_MOBILE")
XMNOTIFY_BROADCAST_FAILURES = env.integer("XMNOTIFY_BROADCAST_FAILURES", 5, least=0, most=100)
XMNOTIFY_BROADCAST_TYPED = env.integer("XMNOTIFY_BROADCAST_TYPED", 1_000, least=0, most=1_000_000_000)
XMNOTIFY_KEEP_EVENTS_DAYS = env.integer("XMNOTIFY_KEEP_EVENTS_DAYS", 400, least=1, most=36_500)
XMNOTIFY_KEEP_AUDIT_DAYS = env.integer("XMNOTIFY_KEEP_AUDIT_DAYS", 1_095, least=1, most=36_500)
XMNOTIFY_KEEP_FAILED_LOG_INS_DAYS = env.integer("XMNOTIFY_KEEP_FAILED_LOG_INS_DAYS", 90, least=1, most=36_500)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "xmnotify.logs.Formatter", "format": "%(asctime)s %(levelname)s %(name)s %(message)s"}
    },
    "filters": {
        "few_refusals": {"()": "xmnotify.logs.FewRefusals"},
        "not_logged_yet": {"()": "django.utils.log.CallbackFilter", "callback": not_logged_yet},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "stream": sys.stderr,
            "formatter": "line",
            "filters": ["few_refusals"],
        }
    },
    "root": {"handlers": ["console"], "level": env.log_level("XMNOTIFY_LOG_LEVEL", "INFO")},
    "loggers": {
        "celery.app.trace": {"level": "WARNING"},  # with the next, two lines a task, whose work tells of itself
        "celery.worker.strategy": {"level": "WARNING"},
        "django.request": {"filters": ["not_logged_yet"]},
    },
}
