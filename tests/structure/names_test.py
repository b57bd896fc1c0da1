#!/usr/bin/env python3
"""What docs/architecture.md and CONTRIBUTING.md name is there: functions, files and folders; and no text of the library
names a function or constant of C, for all languages show these texts. names_test.py ROOT
"""

import re
import sys
from pathlib import Path

PAGES = ("docs/architecture.md", "CONTRIBUTING.md")
FUNCTION = re.compile(r"\b(kca__?[a-z0-9_]*[a-z0-9])\b|`([a-z_]+(?:_locked|_and_unlock))`")
C_NAME = re.compile(r"\bkca_[a-z]|\bKCA_[A-Z]+_[A-Z]")
TOP = "abi bench bindings cmake core docs examples tests"
ROOMS = "base json message kafka connection outbound dead_letter engine inbound asking redrive system"
PLACE = re.compile(rf"(?<![\w/.])((?:{'|'.join(f'{TOP} {ROOMS}'.split())})/[\w./-]*\w)")


def is_there(root: Path, place: str) -> bool:
    """A file, also of a room, also without its ending; a name in capitals is for the reader to fill in."""
    if re.search(r"\b[A-Z]{4,}", place):
        return True
    return any((root / top / f"{place}{ending}").exists() for top in ("", "core") for ending in ("", ".c", ".h"))


def missing(root: Path, page: str) -> list[str]:
    text = (root / page).read_text()
    sources = [*root.glob("core/*/*.[ch]"), *root.glob("abi/*.[ch]"), *root.glob("bindings/**/*.i")]
    code = set(re.findall(r"\w+", "\n".join(file.read_text() for file in sources)))
    names = {a or b for a, b in FUNCTION.findall(text)}
    places = set(PLACE.findall(text))
    assert len(names | places) > 10, f"{page} names nothing"
    return [f"{page}: there is no {name}" for name in sorted(names - code)] + [
        f"{page}: there is no {place}" for place in sorted(places) if not is_there(root, place)
    ]


def named_in_texts(root: Path) -> list[str]:
    found = []
    for file in sorted([*root.glob("core/*/*.c"), *root.glob("abi/*.c")]):
        code = re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.DOTALL)
        texts = re.findall(r'^(?!#include).*?"((?:\\.|[^"\\])*)"', code, re.MULTILINE)
        found += [f"{file.relative_to(root)}: a text names C: {text}" for text in texts if C_NAME.search(text)]
    return found


if __name__ == "__main__":
    found = [line for page in PAGES for line in missing(Path(sys.argv[1]), page)]
    found += named_in_texts(Path(sys.argv[1]))
    sys.exit("\n".join(found) or 0)
