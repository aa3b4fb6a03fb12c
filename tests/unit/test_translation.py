"""Every word that people read is marked for translation."""

import ast
import re
from pathlib import Path

import pytest
from django.template.base import Lexer, TokenType

ROOT = Path(__file__).resolve().parents[2]
APPS = ("console", "servers", "templates_app", "dispatch", "devices", "api", "enrollment", "actions")
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*.html") if "docs" not in path.name)
MODULES = sorted(path for app in APPS for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts)
NAMES = {
    "CSV",
    "UTC",
    "Secure",
    "Hub",
    "SMS",
    "SMTP",
    "xmnotify",
    "Python",
    "Django",
    "APNs",
    "FCM",
    "HTML",
    "IMEI",
    "ms",
    "xmn",
}
_IDLE = re.compile(r"<!--.*?-->|<(script|style|code|pre)\b.*?</\1>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_SAID = re.compile(r'\b(?:aria-label|title|alt|placeholder)="([^"]*)"')
_WORD = re.compile(r"[A-Za-z]{2,}")
_MARKS = {
    "_",
    "gettext",
    "gettext_lazy",
    "gettext_noop",
    "ngettext",
    "ngettext_lazy",
    "pgettext",
    "pgettext_lazy",
}
_LOGGED = {"debug", "info", "warning", "error", "exception"}
_PHRASE = re.compile(r"[A-Za-z]{2,} [a-z]{2,}")
_MARKUP = re.compile(r"<\w|=|'none'|^\^|\\|\b(SELECT|ORDER BY)\b|^[a-z_]+\.[a-z_]+( |$)")
SHOWN = (
    "console",
    "servers",
    "templates_app/channels.py",
    "templates_app/edits.py",
    "templates_app/macros/functions.py",
    "templates_app/macros/grammar.py",
    "templates_app/macros/lint.py",
    "templates_app/macros/problems.py",
    "templates_app/queries.py",
    "templates_app/pages",
    "templates_app/texts/validators.py",
    "templates_app/types.py",
    "dispatch/console.py",
    "dispatch/dashboard",
    "dispatch/log",
    "dispatch/outbox/interventions.py",
    "dispatch/templatetags",
    "transports/smtp/testing.py",
)
"""Whatever these hold is shown in the console: not what is sent, logged, printed by commands or answered over HTTP."""
SPEAKERS = sorted(
    path
    for part in SHOWN
    for path in ([ROOT / part] if part.endswith(".py") else (ROOT / part).rglob("*.py"))
    if not {"migrations", "management"} & set(path.parts)
)
TABLES = {
    "transports/smtp/hints.py": {"AdviceRow": (1, 2), "Advice": (0, 1)},
    "transports/nexmo/hints.py": {"AdviceRow": (1, 2), "Advice": (0, 1)},
    "templates_app/macros/names.py": {"Name": (1,)},
    "templates_app/macros/functions.py": {"Function": (5,)},
}
"""Of these modules, the arguments that are shown."""
UNSEEN = {
    "typed secret": "what a sealed text is for",
    "the template was saved by somebody else meanwhile": "an exception that the page answers in words of its own",
}
_READ_BY_PEOPLE = {"label", "help_text", "verbose_name", "verbose_name_plural", "title", "add_title", "words"}


def unmarked(source):
    """Words between the tags of a template, or in attributes that are read, outside of translate and blocktranslate."""
    kept, inside = [], False
    for token in Lexer(source).tokenize():
        words = [*token.contents.split(), "", ""] if token.token_type == TokenType.BLOCK else ["", ""]
        if words[0] in {"blocktranslate", "comment"} or words[:2] == ["block", "bodyclass"]:
            inside = True
        elif words[0] in {"endblocktranslate", "endcomment", "endblock"}:
            inside = False
        elif token.token_type == TokenType.TEXT and not inside:
            kept.append(token.contents)
        else:
            kept.append("\x00")  # keeps apart what stands around a tag
    text = _IDLE.sub("", "".join(kept))
    said = " ".join(_SAID.findall(text))
    return [word for word in _WORD.findall(f"{_TAG.sub(' ', text)} {said}") if word not in NAMES]


def plain_words(source):
    """Texts that are given to people as they stand: to messages, as labels, helps, names and titles."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            given = [keyword.value for keyword in node.keywords if keyword.arg in _READ_BY_PEOPLE]
            if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "messages":
                given += node.args[1:2]
        elif isinstance(node, ast.Assign):
            given = [node.value] if getattr(node.targets[0], "id", "") in _READ_BY_PEOPLE else []
        else:
            continue
        for value in given:
            words = (
                _WORD.findall(value.value) if isinstance(value, ast.Constant) and isinstance(value.value, str) else []
            )
            if [word for word in words if word not in NAMES]:
                yield f"line {value.lineno}: {value.value}"


def _name(call):
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def phrases(source):
    """Two words and more that are in no mark, no docstring and no line of the log."""
    tree = ast.parse(source)
    idle = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            idle.add(node.value)
        elif isinstance(node, ast.Call) and (_name(node) in _MARKS or _name(node) in _LOGGED):
            idle.update(ast.walk(node))
    for node in ast.walk(tree):
        words = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if node not in idle and _PHRASE.search(words) and not _MARKUP.search(words) and words not in UNSEEN:
            yield f"line {node.lineno}: {words}"


def bare(source, *, shown):
    """What stands unmarked where `shown`, by the name of what is called, has the places of arguments that are read."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            given = [node.args[place] for place in shown.get(_name(node), ()) if place < len(node.args)]
            yield from (one.value for one in given if isinstance(one, ast.Constant))


def unreadable_marks(source):
    """Marks that no list of words can have, because what they mark is put together while the program runs."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _name(node) in _MARKS and isinstance(node.args[0], ast.JoinedStr | ast.BinOp):
            yield f"line {node.lineno}: {ast.unparse(node.args[0])}"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_says_nothing_that_is_not_marked(path):
    assert unmarked(path.read_text()) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_gives_people_nothing_that_is_not_marked(path):
    assert list(plain_words(path.read_text())) == []


@pytest.mark.parametrize("path", SPEAKERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_that_speaks_marks_every_phrase(path):
    assert list(phrases(path.read_text())) == []


@pytest.mark.parametrize("path", TABLES)
def test_a_table_of_words_marks_them(path):
    assert list(bare((ROOT / path).read_text(), shown=TABLES[path])) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_mark_holds_plain_words(path):
    assert list(unreadable_marks(path.read_text())) == []


def test_phrases_and_unreadable_marks_are_found():
    source = '"""A docstring."""\nlogger.info("has gone wrong")\n_("is fine")\nf"{n} is not"\nreturn_(["is bad"])'
    assert list(phrases(source)) == ["line 4:  is not", "line 5: is bad"]
    assert list(unreadable_marks('_("fine %s" % n)\n_("fine") % n\n_(f"bad {n}")')) == [
        "line 1: 'fine %s' % n",
        "line 3: f'bad {n}'",
    ]
    assert list(bare('Row(code, "Bad", _("Fine"), "seen by none")', shown={"Row": (1, 2)})) == ["Bad"]


def test_unmarked_words_are_found():
    assert unmarked('{% translate "Fine" %}<p title="Bad tip">Bad text {{ value }}</p>') == [
        "Bad",
        "text",
        "Bad",
        "tip",
    ]
    assert unmarked("{% blocktranslate trimmed %}Fine {{ name }}{% endblocktranslate %} UTC") == []
    assert list(plain_words('messages.success(request, "Done")\nf(label="Name")\ntitle = _("Fine")')) == [
        "line 1: Done",
        "line 2: Name",
    ]
