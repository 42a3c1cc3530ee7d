"""What was measured, in Markdown and as a picture; `RECORD=1` puts it into docs/performance.md."""

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from bench.machine import RESULTS, ROOT
from bench.table import Result

PAGE = ROOT / "docs" / "performance.md"
PICTURE = "performance.svg"
MOST_SHOWN = 2.0  # times the floor
WIDTH, LINE, LEFT, RIGHT = 860, 28, 290, 150  # CSS pixels


def save(part: str, text: str, *, record: bool) -> None:
    """Keep what a part found in var/bench/, and with `record` in the documentation, between the part's marks."""
    text = f"{text.strip()}\n\n{circumstances()}"
    print(f"\n{text}\n", flush=True)
    (RESULTS / f"{part}.md").write_text(f"{text}\n")
    if record:
        PAGE.write_text(replaced(PAGE.read_text(), part=part, text=text))


def save_picture(picture: str, *, record: bool) -> None:
    """Likewise a picture."""
    for folder in [RESULTS, *([ROOT / "docs" / "images"] if record else [])]:
        (folder / PICTURE).write_text(picture)


def replaced(page: str, *, part: str, text: str) -> str:
    """The page with this between the marks of a part. Raises ValueError where it has no such marks."""
    marks = re.compile(rf"(<!-- bench: {part} -->\n).*?(<!-- end of {part} -->)", re.DOTALL)
    page, found = marks.subn(lambda marked: f"{marked[1]}{text}\n{marked[2]}", page)
    if not found:
        raise ValueError(f"docs/performance.md has no place for {part}.")
    return page


def circumstances() -> str:
    """When and on what this was measured, and what else the machine did."""
    processor = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    busy = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    day = datetime.now(UTC).strftime("%d %B %Y %H:%M UTC").lstrip("0")
    return f"*{day}; {os.cpu_count()} cores, {processor}; Python {platform.python_version()}; load average {busy}.*"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; all but the first column to the right."""
    marks = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, marks, *rows])


def table_of(results: Sequence[Result]) -> str:
    """The results of all rounds as a table; the first is the floor's."""
    head = ["", "a second", "of the floor", "by processor time", "p50 ms", "p99 ms"]
    costs = ["server ms", "PostgreSQL ms", "wrk, of a core"]
    return table([*head, *costs], [_cells(result, floor=results[0]) for result in results])


def _cells(result: Result, *, floor: Result) -> list[str]:
    ratio = f"{result.ratio:.2f} ({result.least:.2f}–{result.most:.2f})"
    if result.goal is not None:
        ratio += f", goal {result.goal}"
    return [
        result.name,
        f"{result.rate:,.0f}",
        ratio,
        f"{(floor.server + floor.database) / (result.server + result.database):.2f}",
        f"{result.p50:.1f}",
        f"{result.p99:.1f}",
        f"{result.server:.2f}",
        f"{result.database:.2f}",
        f"{result.load:.0%}",
    ]


def chart_of(results: Sequence[Result]) -> str:
    """The rates as bars, and a line at the floor. What is far above it would leave no room to tell the others apart."""
    results = [result for result in results if result.ratio <= MOST_SHOWN]
    highest = max((result.ratio for result in results), default=1.0)
    scale = (WIDTH - LEFT - RIGHT) / max(highest, 1.0)
    height = LINE * len(results) + 16
    bars = "\n".join(_bar(result, 8 + LINE * place, scale) for place, result in enumerate(results))
    at = LEFT + scale
    letters = 'font-family="sans-serif" font-size="13"'
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {letters}>
<title>Requests a second, compared with the floor</title>
<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>
{bars}
<line x1="{at:.0f}" y1="4" x2="{at:.0f}" y2="{height - 4}" stroke="#52606d" stroke-dasharray="4 3"/>
</svg>
"""


def _bar(result: Result, y: int, scale: float) -> str:
    width = max(result.ratio * scale, 1)
    said = f"{result.rate:,.0f} · {result.ratio:.2f}"
    middle = y + LINE / 2 + 4
    return (
        f'<text x="{LEFT - 10}" y="{middle:.0f}" text-anchor="end" fill="#1f2933">{escape(result.name)}</text>'
        f'<rect x="{LEFT}" y="{y + 4}" width="{width:.0f}" height="{LINE - 8}" fill="#2f6f8f"/>'
        f'<text x="{LEFT + width + 8:.0f}" y="{middle:.0f}" fill="#1f2933">{said}</text>'
    )
