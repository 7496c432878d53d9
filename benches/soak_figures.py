"""What a soak's samples say: slopes with their errors, availability, and the page that shows them. Pure."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

WINDOW_SECONDS = 5.0
WITHIN_SECONDS = 5.0
MONTH_WINDOWS = int(30 * 86_400 / WINDOW_SECONDS)
BLOCKS = 30  # means of blocks depend on each other less than samples do
WARM_UP = 0.25  # the part of a run that is left out of slopes
WARM_UP_SECONDS = 40 * 60.0  # if it is long enough: until a node remembers as many ends as it ever does (20,000)
WIDTH, HEIGHT, MARGIN = 860, 170, 46

Points = Sequence[tuple[float, float]]  # seconds since the beginning, value


class Slope(NamedTuple):
    """A straight line through a series, in units an hour, and the standard error of that."""

    per_hour: float
    error: float
    mean: float

    def grows(self) -> bool:
        """By more than chance (two and a half errors) and more than one part in a hundred an hour."""
        return self.per_hour > 2.5 * self.error and self.per_hour > 0.01 * abs(self.mean)


def slope(points: Points, seconds: float) -> Slope | None:
    """None where too little is left behind the warm-up."""
    start = max(WARM_UP * seconds, min(WARM_UP_SECONDS, seconds * 2 / 3))
    blocks = _blocks([point for point in points if point[0] >= start])
    if len(blocks) < 4:
        return None
    middle_x = sum(x for x, _ in blocks) / len(blocks)
    middle_y = sum(y for _, y in blocks) / len(blocks)
    spread = sum((x - middle_x) ** 2 for x, _ in blocks)
    if not spread:
        return None
    rise = sum((x - middle_x) * (y - middle_y) for x, y in blocks) / spread
    left_over = sum((y - middle_y - rise * (x - middle_x)) ** 2 for x, y in blocks)
    error = math.sqrt(left_over / (len(blocks) - 2) / spread)
    return Slope(rise * 3600, error * 3600, middle_y)


def _blocks(points: Points) -> list[tuple[float, float]]:
    size = max(1, math.ceil(len(points) / BLOCKS))
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts]


class Availability(NamedTuple):
    windows: int
    good: int  # something due in it began within 5 s, and a submission made in it was accepted within 5 s
    strict: int  # all that was due, and all submissions
    windows_up: int  # in which the database's server was not down, nor went down within 5 s
    good_up: int

    @property
    def share(self) -> float:
        return self.good / self.windows if self.windows else 1.0

    @property
    def share_up(self) -> float:
        """What hydra can be blamed for: it is back within 5 s of its database."""
        return self.good_up / self.windows_up if self.windows_up else 1.0

    @property
    def share_of_a_month(self) -> float:
        """If the faults of the run were those of 30 days."""
        return 1 - (self.windows - self.good) / max(self.windows, MONTH_WINDOWS)

    @property
    def strict_share(self) -> float:
        return self.strict / self.windows if self.windows else 1.0


def availability(
    seconds: float, begun: Points, accepted: Points, outages: Points = ()
) -> tuple[Availability, list[tuple[float, float]]]:
    """Of series (when it was due, or asked for; seconds until it was so). With each window that was not good.
    `outages`: from when until when the server was down."""
    count = max(1, int(seconds // WINDOW_SECONDS))
    good = strict = windows_up = good_up = 0
    bad: list[tuple[float, float]] = []
    for number in range(count):
        start = number * WINDOW_SECONDS
        lates = [[wait for at, wait in series if start <= at < start + WINDOW_SECONDS] for series in (begun, accepted)]
        is_good = all(any(wait <= WITHIN_SECONDS for wait in waits) for waits in lates)
        good += is_good
        if not any(down - WITHIN_SECONDS < start + WINDOW_SECONDS and start < up for down, up in outages):
            windows_up += 1
            good_up += is_good
        strict += is_good and all(wait <= WITHIN_SECONDS for waits in lates for wait in waits)
        if not is_good:
            bad.append((start, start + WINDOW_SECONDS))
    return Availability(count, good, strict, windows_up, good_up), bad


class Page(NamedTuple):
    title: str
    facts: Mapping[str, str]
    rows: Sequence[tuple[str, str]]  # figures
    series: Mapping[str, tuple[str, Points]]  # name: unit, points
    faults: Sequence[tuple[float, str]]
    bad: Sequence[tuple[float, float]]
    findings: Sequence[str]


def render(page: Page, seconds: float) -> str:
    facts = "".join(f"<li>{html.escape(name)}: {html.escape(value)}</li>" for name, value in page.facts.items())
    rows = "".join(f"<tr><td>{html.escape(a)}</td><td>{html.escape(b)}</td></tr>" for a, b in page.rows)
    findings = "".join(f"<li>{html.escape(each)}</li>" for each in page.findings) or "<li>nothing</li>"
    plots = "".join(
        f"<h3>{html.escape(name)} ({html.escape(unit)})</h3>{_plot(points, seconds, page.faults, page.bad)}"
        for name, (unit, points) in page.series.items()
        if points
    )
    faults = "".join(f"<li>{at:.1f} s: {html.escape(what)}</li>" for at, what in page.faults)
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(page.title)}</title>"
        "<style>body{font:15px sans-serif;max-width:900px;margin:2em auto}td{padding:.15em 1em .15em 0}"
        "svg{background:#fafafa;border:1px solid #ddd}</style>"
        f"<h1>{html.escape(page.title)}</h1><ul>{facts}</ul><h2>Found</h2><ul>{findings}</ul>"
        f"<h2>Figures</h2><table>{rows}</table><h2>Over time</h2>"
        f"<p>Grey lines are faults; red: windows that were not available.</p>{plots}"
        f"<h2>Faults</h2><ol>{faults}</ol></html>\n"
    )


def _plot(
    points: Points, seconds: float, faults: Sequence[tuple[float, str]], bad: Sequence[tuple[float, float]]
) -> str:
    low, high = min(y for _, y in points), max(y for _, y in points)
    low = min(low, 0.0) if low < 0.3 * high else low
    span, length = (high - low) or 1.0, max(seconds, points[-1][0], 1e-9)

    def x(at: float) -> float:
        return MARGIN + (WIDTH - MARGIN - 6) * min(at, length) / length

    def y(value: float) -> float:
        return HEIGHT - 20 - (HEIGHT - 30) * (value - low) / span

    line = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in points)
    marks = "".join(f"<path d='M{x(at):.1f} 5V{HEIGHT - 20}' stroke='#bbb'/>" for at, _ in faults)
    reds = "".join(
        f"<rect x='{x(a):.1f}' y='5' width='{max(1.0, x(b) - x(a)):.1f}' height='{HEIGHT - 25}' fill='#f3b6b0'/>"
        for a, b in bad
    )
    ends = "".join(f"<text x='2' y='{y(value) + 4:.1f}' font-size='10'>{value:.4g}</text>" for value in (low, high))
    return (
        f"<svg width='{WIDTH}' height='{HEIGHT}'>{reds}{marks}<polyline points='{line}' fill='none' stroke='#00695c'/>"
        f"{ends}<text x='{WIDTH - 60}' y='{HEIGHT - 6}' font-size='10'>{length:.0f} s</text></svg>"
    )
