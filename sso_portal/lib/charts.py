"""Bar charts as SVG, drawn on the server: for a wide page and, with larger letters and fewer of them, for a phone."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html

STEPS = (1, 2, 5)  # times a power of ten: what an axis counts in
MOST_LINES = 4
LEAST_SEEN = 2.0  # a bar of one is seen beside bars of thousands


@dataclass(frozen=True)
class Bar:
    """One bar: how many, how many of them on top in the other colour, and what to compare it with.

    `title` says all of it in words; `labels` stand below, on a wide page and on a phone ("" for none).
    """

    title: str
    main: int
    top: int = 0
    before: int | None = None
    labels: tuple[str, str] = ("", "")
    is_now: bool = False


@dataclass(frozen=True)
class Box:
    """A rectangle; numbers as SVG writes them."""

    x: str
    y: str
    width: str
    height: str

    def __str__(self) -> str:
        """As the attributes of an element."""
        return format_html('x="{}" y="{}" width="{}" height="{}"', self.x, self.y, self.width, self.height)


@dataclass(frozen=True)
class DrawnBar:
    """Where the parts of a bar are; None for a part that is nothing."""

    title: str
    column: Box  # the whole height, so that the pointer finds a low bar too
    main: Box | None
    top: Box | None
    before: Box | None
    label: str
    middle: str
    is_now: bool


@dataclass(frozen=True)
class Line:
    """A line across, with the number it stands for."""

    y: str
    number: int


@dataclass(frozen=True)
class Drawing:
    """A chart for one width."""

    name: str
    width: int
    height: int
    left: int
    base: str
    label_y: str
    bars: list[DrawnBar]
    lines: list[Line]


@dataclass(frozen=True)
class Chart:
    """A chart, drawn twice: one of the two is shown."""

    wide: Drawing
    narrow: Drawing

    @property
    def drawings(self) -> list[Drawing]:
        return [self.wide, self.narrow]


def chart_of(bars: Sequence[Bar], *, wide: tuple[int, int] = (720, 256)) -> Chart:
    """Draw these bars; `wide` is the size on a wide page, in CSS pixels."""
    return Chart(
        _draw(bars, name="wide", size=wide, label=0), _draw(bars, name="narrow", size=(336, 208), label=1)
    )


def lines_for(highest: int) -> list[int]:
    """Round numbers from 0 to the first that is not below the highest: at most five of them."""
    power = 1
    while True:
        for step in STEPS:
            if step * power * MOST_LINES >= highest:
                count = max(1, -(-highest // (step * power)))
                return [step * power * n for n in range(count + 1)]
        power *= 10


def _draw(bars: Sequence[Bar], *, name: str, size: tuple[int, int], label: int) -> Drawing:
    width, height = size
    lines = lines_for(max((max(bar.main + bar.top, bar.before or 0) for bar in bars), default=0))
    left = 12 + 8 * len(f"{lines[-1]:,}")
    top, base = 10.0, height - 26.0
    scale = (base - top) / lines[-1]
    step = (width - left) / max(len(bars), 1)
    drawn = [_bar(bar, left + n * step, step, scale, top, base, label) for n, bar in enumerate(bars)]
    return Drawing(
        name,
        width,
        height,
        left,
        _number(base),
        _number(height - 7.0),
        drawn,
        [Line(_number(base - number * scale), number) for number in lines],
    )


def _bar(bar: Bar, x: float, step: float, scale: float, top: float, base: float, label: int) -> DrawnBar:
    thick = min(max(step * 0.66, 2.0), 44.0)
    at = x + (step - thick) / 2
    main = max(bar.main * scale, LEAST_SEEN) if bar.main else 0.0
    over = max(bar.top * scale, LEAST_SEEN) if bar.top else 0.0
    before = max((bar.before or 0) * scale, LEAST_SEEN) if bar.before else 0.0
    return DrawnBar(
        title=bar.title,
        column=_box(x, top, step, base - top),
        main=_box(at, base - main, thick, main) if main else None,
        top=_box(at, base - main - over, thick, over) if over else None,
        before=_box(x + step * 0.06, base - before, step * 0.88, before) if before else None,
        label=bar.labels[label],
        middle=_number(x + step / 2),
        is_now=bar.is_now,
    )


def _box(x: float, y: float, width: float, height: float) -> Box:
    return Box(_number(x), _number(y), _number(width), _number(height))


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
