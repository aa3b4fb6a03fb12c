"""Every regular expression of the product, found in its source, and the texts that would make each of them slow."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import regex
from django.apps import apps
from django.core.validators import RegexValidator
from lark import Lark

from xmnotify import env

ROOMS = (
    *("xmnotify", "api", "enrollment", "dispatch", "actions", "templates_app", "servers", "devices", "transports"),
    *("console", "foundation", "simulators"),
)
_METHODS = {"match", "fullmatch", "search", "findall", "finditer", "sub", "subn", "split"}
_WITH_PATTERN = {"Meta", "RegexValidator", "RegexField"}
_NOT_KNOWN = object()


class Expression(NamedTuple):
    """`methods`: how it is used; `pattern` is a compiled one, of `re` or `regex`."""

    place: str
    pattern: Any
    methods: frozenset[str]


def all_of_the_source(*, tables: dict[str, Callable[[], list[str]]]) -> Iterator[Expression]:
    """Those whose text is fixed when their module is imported; `tables` gives those of other calls by their source.

    Raises LookupError for a call that is in neither.
    """
    modules = dict(_modules())
    used = _methods_by_name(tree for _, tree in modules.items())
    for name, tree in modules.items():
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and (found := _pattern_of(call)):
                library, source, flags, methods = found
                yield from _expressions(name, library, source, flags, methods or _kept_as(call, tree, used), tables)
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Lark":
                grammar = _value(name, call.args[0])
                for terminal in Lark(grammar, parser="lalr", start="template", maybe_placeholders=False).terminals:
                    pattern = re.compile(terminal.pattern.to_regexp())
                    yield Expression(f"{name}: {terminal.name}", pattern, frozenset({"match"}))


def of_the_models() -> Iterator[Expression]:
    """Those of the validators of all fields, Django's own included."""
    for model in apps.get_models():
        for field in model._meta.get_fields():
            for validator in getattr(field, "validators", ()):
                if isinstance(validator, RegexValidator):
                    yield Expression(f"{model.__name__}.{field.name}", validator.regex, frozenset({"search"}))


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for room in ROOMS:
        for path in sorted((env.ROOT / room).rglob("*.py")):
            parts = path.relative_to(env.ROOT).with_suffix("").parts
            if "migrations" not in parts:
                yield ".".join(parts).removesuffix(".__init__"), ast.parse(path.read_text())


def _methods_by_name(trees: Iterator[ast.Module]) -> dict[str, set[str]]:
    used: dict[str, set[str]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in _METHODS:
                owner = node.value
                name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
                used.setdefault(name, set()).add(node.attr)
    return used


def _pattern_of(call: ast.Call) -> tuple[Any, ast.expr, ast.expr | None, frozenset[str]] | None:
    """Library, pattern, flags and methods of a call that makes or uses an expression; no methods: it is kept."""
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
        library, function = {"re": re, "regex": regex}.get(call.func.value.id), call.func.attr
        if library and function in {*_METHODS, "compile"}:
            flags = next((word.value for word in call.keywords if word.arg == "flags"), None)
            position = {"compile": 1, "sub": 4, "subn": 4, "split": 3}.get(function, 2)
            flags = call.args[position] if len(call.args) > position else flags
            methods = frozenset() if function == "compile" else frozenset({function})
            return library, call.args[0], flags, methods
    if isinstance(call.func, ast.Name) and call.func.id in _WITH_PATTERN:
        named = next((word.value for word in call.keywords if word.arg in {"pattern", "regex"}), None)
        source = named or (call.args[0] if call.args and call.func.id != "Meta" else None)
        return (re, source, None, frozenset({"search"})) if source else None
    return None


def _kept_as(call: ast.Call, tree: ast.Module, used: dict[str, set[str]]) -> frozenset[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and node.value is call and isinstance(node.targets[0], ast.Name):
            return frozenset(used.get(node.targets[0].id, _METHODS))
    return frozenset(_METHODS)


def _expressions(
    module: str,
    library: Any,
    source: ast.expr,
    flags: ast.expr | None,
    methods: frozenset[str],
    tables: dict[str, Callable[[], list[str]]],
) -> Iterator[Expression]:
    text = ast.unparse(source)
    place = f"{module}: {text}"
    value = _value(module, source)
    chosen = _value(module, flags) if flags is not None else 0
    if value is _NOT_KNOWN and place not in tables:
        raise LookupError(f"What can {text} be in {module}? Say it in the table of the test.")
    if value is not _NOT_KNOWN:
        yield Expression(place, library.compile(value, chosen), methods)
        return
    for each in tables[place]():
        yield Expression(f"{place} = {each}", library.compile(each, chosen), methods)


def _value(module: str, source: ast.expr) -> Any:
    try:
        return eval(compile(ast.Expression(source), module, "eval"), dict(vars(importlib.import_module(module))))
    except (NameError, AttributeError):
        return _NOT_KNOWN


def attacks(expression: Expression) -> Iterator[Callable[[int], Any]]:
    """Texts of about a size that keep each repetition of the expression going and then fail it."""
    pattern = expression.pattern.pattern
    is_bytes = isinstance(pattern, bytes)
    source = pattern.decode("latin-1") if is_bytes else pattern
    try:
        tree = re._parser.parse(source, expression.pattern.flags & ~re.UNICODE & ~re.LOCALE & 0x1FF)
        pumps = [*_pumps(tree, before=""), *(("", letter) for letter in _letters(tree))]
    except re.error:  # the other library knows more
        pumps = []
    pumps += [("", letter) for letter in "0a-. '\n\u0301"]
    for before, pump in dict.fromkeys(pumps):
        for after in ("\x00", "!", ""):
            yield _sized(before, pump, after, is_bytes=is_bytes)


def _sized(before: str, pump: str, after: str, *, is_bytes: bool) -> Callable[[int], Any]:
    def text(size: int) -> Any:
        made = before + pump * (size // len(pump)) + after
        return made.encode("latin-1", "replace") if is_bytes else made

    return text


def _pumps(sequence: Any, *, before: str) -> Iterator[tuple[str, str]]:
    for operation, argument in sequence:
        name = str(operation)
        if name in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
            _, most, body = argument
            if sample := _sample(body):
                if int(most) > 9:
                    yield before, sample
                    yield "", before + sample
                yield from _pumps(body, before=before)
        elif name == "SUBPATTERN":
            yield from _pumps(argument[3], before=before)
        elif name == "BRANCH":
            for branch in argument[1]:
                yield from _pumps(branch, before=before)
        elif name in {"ASSERT", "ASSERT_NOT"}:
            yield from _pumps(argument[1], before=before)
        elif name == "ATOMIC_GROUP":
            yield from _pumps(argument, before=before)
        before += _sample([(operation, argument)])


def _sample(sequence: Any) -> str:
    """A text that fits, as far as no look around has a word in it."""
    made = ""
    for operation, argument in sequence:
        match str(operation):
            case "LITERAL":
                made += chr(argument)
            case "NOT_LITERAL":
                made += "b" if argument == ord("a") else "a"
            case "ANY":
                made += "a"
            case "IN":
                made += _member(argument)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                made += _sample(argument[2]) * max(1, min(argument[0], 400))
            case "SUBPATTERN":
                made += _sample(argument[3])
            case "BRANCH":
                made += _sample(argument[1][0])
            case "ATOMIC_GROUP":
                made += _sample(argument)
    return made


def _member(items: Any) -> str:
    (first, *_), letters = items, "0a -._x/é\n'"
    if str(first[0]) == "NEGATE":
        return next(letter for letter in letters if not any(_fits(item, letter) for item in items[1:]))
    operation, argument = first
    if str(operation) == "LITERAL":
        return chr(argument)
    if str(operation) == "RANGE":
        return chr(argument[0])
    return next(letter for letter in letters if _fits(first, letter))


def _fits(item: Any, letter: str) -> bool:
    operation, argument = item
    match str(operation):
        case "LITERAL":
            return ord(letter) == argument
        case "RANGE":
            return argument[0] <= ord(letter) <= argument[1]
    kind = str(argument)
    fits = letter.isdigit() if "DIGIT" in kind else letter.isspace() if "SPACE" in kind else re.match(r"\w", letter)
    return bool(fits) != ("NOT" in kind)


def _letters(sequence: Any) -> Iterator[str]:
    for operation, argument in sequence:
        if str(operation) == "LITERAL":
            yield chr(argument)
        elif str(operation) == "IN":
            yield _member(argument)
        elif str(operation) == "SUBPATTERN":
            yield from _letters(argument[3])
        elif "REPEAT" in str(operation):
            yield from _letters(argument[2])
