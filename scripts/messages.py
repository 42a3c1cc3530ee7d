"""The translations. `messages.py` brings locale/ up to date with the code; `messages.py --check` only tells.

Texts are collected by GNU gettext's xgettext; the compiled catalogue is committed, so that running the portal needs
neither.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import polib

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ("es",)
SOURCES = ("accounts", "groups", "sso_portal", "templates", "tokens")


def main() -> int:
    """Update or check; the number of catalogues that are not as they should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing, and fail where something would change"
    )
    if shutil.which("xgettext") is None:
        sys.exit("GNU gettext is missing: apt-get install gettext")
    if parser.parse_args().check:
        return sum(not is_current(language) for language in LANGUAGES)
    for language in LANGUAGES:
        collect(ROOT, language)
        compile_catalogue(ROOT, language)
    return 0


def catalogue(folder: Path, language: str) -> Path:
    return folder / "locale" / language / "LC_MESSAGES" / "django.po"


def collect(folder: Path, language: str) -> None:
    """Bring the catalogue in this copy of the project up to date with its texts."""
    (folder / "locale").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "django", "makemessages", "--locale", language]
    command += ["--no-wrap", "--add-location", "file", "--no-obsolete"]
    ignored = [
        entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name not in (*SOURCES, "locale")
    ]
    for name in ignored:
        command += ["--ignore", name]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    path = catalogue(folder, language)
    texts = polib.pofile(str(path), wrapwidth=0)
    texts.metadata.pop("POT-Creation-Date", None)  # or every run would change the file
    texts.save()


def compile_catalogue(folder: Path, language: str) -> None:
    path = catalogue(folder, language)
    polib.pofile(str(path)).save_as_mofile(str(path.with_suffix(".mo")))


def is_current(language: str) -> bool:
    """Whether the committed catalogue holds exactly the texts of the code, all translated, and is compiled."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary)
        for name in (*SOURCES, "locale"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        collect(copy, language)
        wanted = polib.pofile(str(catalogue(copy, language)))
    present = polib.pofile(str(catalogue(ROOT, language)))
    compiled = polib.mofile(str(catalogue(ROOT, language).with_suffix(".mo")))
    wrong = [f"not collected: {text!r}" for text in sorted(texts_of(wanted) - texts_of(present))]
    wrong += [f"no longer used: {text!r}" for text in sorted(texts_of(present) - texts_of(wanted))]
    wrong += [f"not translated: {entry.msgid!r}" for entry in present if not entry.translated()]
    if {(entry.msgid, entry.msgstr) for entry in compiled} != {
        (entry.msgid, entry.msgstr) for entry in present if entry.translated()
    }:
        wrong.append("django.mo was not compiled from this django.po")
    for line in wrong:
        print(f"locale/{language}: {line}", file=sys.stderr)
    if wrong:
        print("Run make messages, translate, and run it again.", file=sys.stderr)
    return not wrong


def texts_of(texts: polib.POFile) -> set[str]:
    return {entry.msgid for entry in texts if not entry.obsolete}


if __name__ == "__main__":
    sys.exit(main())
