"""`python -m tests.clients.table`: what the clients did in the last run of their tests, as a table in Markdown."""

import json
import sys

from tests.clients.conversing import ROWS


def main() -> None:
    rows = sorted(
        (json.loads(path.read_text()) for path in ROWS.glob("*.json")), key=lambda row: row["client"]
    )
    if not rows:
        sys.exit("No client was run yet: python -m pytest -m clients")
    sys.stdout.write("| client | version | what it did | result |\n| --- | --- | --- | --- |\n")
    for row in rows:
        did = " → ".join(row["did"])
        sys.stdout.write(f"| {row['client']} | {row['version']} | {did} | {row['result']} |\n")


if __name__ == "__main__":
    main()
