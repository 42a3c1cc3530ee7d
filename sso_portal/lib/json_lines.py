"""JSON lines out: one JSON object a line, streamed."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.http import StreamingHttpResponse

AT_ONCE = 500  # small pieces would each cost a write to the socket


def json_lines_response(file_name: str, records: Iterable[Mapping[str, Any]]) -> StreamingHttpResponse:
    """A download of these records, streamed, in UTF-8."""
    response = StreamingHttpResponse(_lines(records), content_type="application/jsonl; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{file_name}"'
    return response


def _lines(records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    lines: list[str] = []
    for record in records:
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
        if len(lines) == AT_ONCE:
            yield "".join(lines)
            lines.clear()
    yield "".join(lines)
