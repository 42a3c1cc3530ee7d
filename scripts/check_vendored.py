"""Compare the vendored static files with the hashes in their lock file."""

import hashlib
import json
import sys
from pathlib import Path

VENDOR = Path("sso_portal/static/vendor")
LOCK = VENDOR / "vendor.lock.json"


def main() -> int:
    """Print one line for each file that is changed, missing or not listed; return the exit status."""
    packages = json.loads(LOCK.read_text())
    listed = {path: file["sha256"] for package in packages for path, file in package["files"].items()}
    found = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path != LOCK
    }
    wrong = sorted(path for path in listed.keys() | found.keys() if listed.get(path) != found.get(path))
    for path in wrong:
        if path not in listed:
            verdict = "is not in the lock file"
        elif path not in found:
            verdict = "is missing"
        else:
            verdict = "was changed"
        print(f"{VENDOR / path} {verdict}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
