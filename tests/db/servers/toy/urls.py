"""The addresses of the whole program as they are with one more line in the table of kinds."""

from servers.urls import of_kind
from tests.db.servers.toy.kind import TOY
from xmnotify import urls

urlpatterns = [*of_kind(TOY), *urls.urlpatterns]
for name in ("handler400", "handler403", "handler404", "handler500"):
    if hasattr(urls, name):
        globals()[name] = getattr(urls, name)
