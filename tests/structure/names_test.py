#!/usr/bin/env python3
"""What docs/architecture.md and CONTRIBUTING.md name is there: functions, files and folders. names_test.py ROOT"""

import re
import sys
from pathlib import Path

PAGES = ("docs/architecture.md", "CONTRIBUTING.md")
FUNCTION = re.compile(r"\b(kca__?[a-z0-9_]*[a-z0-9])\b|`([a-z_]+(?:_locked|_and_unlock))`")
TOP = "abi bench bindings cmake core docs examples tests"
ROOMS = "base json message kafka connection outbound dead_letter engine inbound redrive system"
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


if __name__ == "__main__":
    found = [line for page in PAGES for line in missing(Path(sys.argv[1]), page)]
    sys.exit("\n".join(found) or 0)
