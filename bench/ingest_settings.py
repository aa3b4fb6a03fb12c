"""The product's settings with the addresses that `bench.ingest` compares."""

from xmnotify.settings import *  # noqa: F403 - the same settings but for one

ROOT_URLCONF = "bench.ingest_urls"
