"""Charts as inline SVG: measured here, drawn by a template, themed by the stylesheet, each with its table beneath."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from console.kit.registry import Words

WIDTH, HEIGHT = 480, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 16, 10, 28
_STEPS = 4
_TICK_EVERY = 3


class Series(Struct, frozen=True):
    """One value a category; None where there is none. `style` is s1 to s4."""

    label: Words
    values: Sequence[float | None]
    style: str


class Box(Struct, frozen=True):
    x: float
    y: float
    width: float
    height: float
    style: str
    tip: str


class Mark(Struct, frozen=True):
    """A label of an axis and where it stands."""

    at: float
    words: str


class Chart(Struct, frozen=True):
    """Either bars or a line, with what the template needs to draw it and its table."""

    title: Words
    series: Sequence[Series]
    categories: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    boxes: Sequence[Box]
    points: Sequence[str]
    dots: Sequence[Box]
    lines: Sequence[Mark]
    ticks: Sequence[Mark]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT


def stacked_bars(title: Words, *, categories: Sequence[str], series: Sequence[Series]) -> Chart:
    totals = [sum(one.values[at] or 0 for one in series) for at in range(len(categories))]
    top = _round_up(max(totals, default=0))
    step = _step(categories)
    boxes = []
    for at, category in enumerate(categories):
        below = 0.0
        for one in series:
            value = one.values[at] or 0
            if value:
                height = value / top * _inner_height()
                y = _y(below + value, top=top)
                tip = f"{category}: {one.label} {value:,.0f}"
                boxes.append(Box(_x(at, step=step) + step * 0.16, y, step * 0.68, height, one.style, tip))
                below += value
    return _chart(title, categories=categories, series=series, top=top, boxes=boxes, digits=0)


def line(title: Words, *, categories: Sequence[str], series: Series, unit: str) -> Chart:
    """A gap stays where there is no value."""
    top = _round_up(max((value or 0 for value in series.values), default=0))
    step = _step(categories)
    dots: list[Box] = []
    runs: list[list[str]] = []
    run: list[str] = []
    for at, value in enumerate(series.values):
        if value is None:
            runs.append(run)
            run = []
            continue
        x, y = _x(at, step=step) + step / 2, _y(value, top=top)
        run.append(f"{x:.1f},{y:.1f}")
        dots.append(Box(x, y, 3.5, 3.5, series.style, f"{categories[at]}: {value:,.1f} {unit}"))
    points = [" ".join(run) for run in [*runs, run] if len(run) > 1]
    return _chart(title, categories=categories, series=[series], top=top, points=points, dots=dots, digits=1)


def _chart(
    title: Words,
    *,
    categories: Sequence[str],
    series: Sequence[Series],
    top: float,
    digits: int,
    boxes: Sequence[Box] = (),
    points: Sequence[str] = (),
    dots: Sequence[Box] = (),
) -> Chart:
    step = _step(categories)
    rows = [
        (category, [_number(one.values[at], digits=digits) for one in series]) for at, category in enumerate(categories)
    ]
    lines = [Mark(_y(top * n / _STEPS, top=top), _number(top * n / _STEPS, digits=1)) for n in range(_STEPS + 1)]
    last = len(categories) - 1
    ticks = [
        Mark(_x(at, step=step) + step / 2, category)
        for at, category in enumerate(categories)
        if (last - at) % _TICK_EVERY == 0
    ]
    return Chart(title, series, categories, rows, boxes, points, dots, lines, ticks)


def _number(value: float | None, *, digits: int) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if not digits or value == round(value) else f"{value:,.{digits}f}"


def _round_up(value: float) -> float:
    """The top of the axis: 4, 8 or 20 times a power of ten, so that its quarters are round."""
    power = 1.0
    while True:
        for top in (4, 8, 20):
            if top * power >= value:
                return top * power
        power *= 10


def _inner_height() -> float:
    return HEIGHT - _TOP - _BOTTOM


def _y(value: float, *, top: float) -> float:
    return _TOP + _inner_height() * (1 - value / top)


def _step(categories: Sequence[str]) -> float:
    return (WIDTH - _LEFT - _RIGHT) / max(1, len(categories))


def _x(at: int, *, step: float) -> float:
    return _LEFT + at * step
