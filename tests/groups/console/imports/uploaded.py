"""A file to upload, and what is read of what became of it."""

import csv
import io

from groups.models import AgentImport

GOOD = "username,full_name\nbob,Bob Bow\ncleo,Cleo Cane\n"


def last() -> AgentImport:
    return AgentImport.objects.latest("pk")


def table_of(response) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(response).decode("utf-8-sig"))))
