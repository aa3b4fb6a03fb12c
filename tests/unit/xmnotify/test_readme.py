"""What README and the pages of docs promise, held against the code."""

import pkgutil
import re

import pytest

from xmnotify import env

README = (env.ROOT / "README.md").read_text()
SETTINGS = (env.ROOT / "docs" / "settings.md").read_text()
PAGES = sorted({env.ROOT / "README.md", *(env.ROOT / "docs").rglob("*.md")})
LINKS = sorted(
    {(page, target) for page in PAGES for target in re.findall(r"\]\(((?!https?:)[^)#]+)\)", page.read_text())}
)
PACKAGES = sorted(path.parent.name for path in env.ROOT.glob("*/__init__.py"))
FILES = sorted(
    {
        (page, name)
        for page in PAGES
        for name in re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|html|css|js|md|toml|sh))(?=[`:])", page.read_text())
    }
)
OTHERS = {"permissions.md", "macros.md"}  # permissions and macros are written as modules are
NAMES = sorted(
    {
        (page, name)
        for page in PAGES
        if page.name not in OTHERS
        for name in re.findall(rf"`((?:{'|'.join(PACKAGES)})\.[\w.]+)(?=[`(:])", page.read_text())
    }
)
READ = re.compile(
    r"env\.(?:text|integer|flag|tls|words|hosts|origins|secret_key_fallbacks|console_url|ports|networks|full_name|log_level)\(\s*\"(\w+)\"|\btext\(\"(\w+)\"\)|_kept_secret\(\"(\w+)\""
)


def settings_read():
    for path in (env.ROOT / "xmnotify").rglob("*.py"):
        for found in READ.finditer(path.read_text()):
            yield next(name for name in found.groups() if name)


def test_every_setting_that_is_read_is_explained():
    names = set(settings_read())
    assert {"DATABASE_URL", "XMNOTIFY_PORT", "XMNOTIFY_SECRET_KEY", "XMNOTIFY_TLS"} < names
    assert [name for name in sorted(names) if f"`{name}`" not in SETTINGS] == []


def test_every_setting_that_is_explained_is_read():
    explained = set(re.findall(r"`((?:XMNOTIFY_\w+)|DATABASE_URL)`", SETTINGS))
    assert explained - set(settings_read()) == set()


@pytest.mark.parametrize(("page", "target"), LINKS, ids=lambda value: getattr(value, "name", value))
def test_every_link_leads_somewhere(page, target):
    assert (page.parent / target).exists()


@pytest.mark.parametrize(("page", "name"), FILES, ids=lambda value: getattr(value, "name", value))
def test_every_file_that_is_named_is_there(page, name):
    assert (env.ROOT / name).is_file()


@pytest.mark.parametrize(("page", "name"), NAMES, ids=lambda value: getattr(value, "name", value))
def test_every_module_and_what_is_named_of_it_is_there(page, name):
    assert pkgutil.resolve_name(name) is not None


def test_every_make_target_that_is_named_is_there():
    texts = [page.read_text() for page in PAGES]
    targets = {target for text in texts for target in re.findall(r"(?:`|^)make (\w+)(?=`|$)", text, re.MULTILINE)}
    makefile = (env.ROOT / "Makefile").read_text()
    assert targets
    assert [target for target in targets if f"\n{target}:" not in makefile] == []
