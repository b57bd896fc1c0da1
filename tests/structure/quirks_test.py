#!/usr/bin/env python3
"""The rows of core/kafka/quirks.h.

Each tells its number and who works around it, and nobody else asks for librdkafka's version.
"""

import re
import sys
from pathlib import Path

FILE = "kafka/quirks.h"

ROW = re.compile(r"/\*((?:(?!\*/).)*)\*/\s*(KCA__QUIRK_\w+) = ", re.DOTALL)
NUMBER = re.compile(r"\(#\d+|\(no issue number found\)")
PLACE = re.compile(r"\b[a-z_]+/(?:[a-z_]+\.[ch]\b)?")


def sources(core: Path) -> dict[str, str]:
    return {str(file.relative_to(core)): file.read_text() for file in sorted(core.rglob("*.[ch]"))}


def faults_of_row(name: str, comment: str, files: dict[str, str]) -> list[str]:
    words = re.sub(r"[\s*]+", " ", comment)
    found = [] if NUMBER.search(words) else [f"{name} has no issue number, and does not say so"]
    places = PLACE.findall(words)
    if not places:
        found.append(f"{name} names no file that works around it")
    for place in places:
        if not any(file.startswith(place) and name in text for file, text in files.items()):
            found.append(f"{name}: {place} does not name it")
    return found


def all_faults(files: dict[str, str]) -> list[str]:
    rows = ROW.findall(files[FILE])
    others = {file: text for file, text in files.items() if file != FILE}
    known = {name for _, name in rows}
    found = [fault for comment, name in rows for fault in faults_of_row(name, comment, others)]
    for file, text in others.items():
        if "rd_kafka_version()" in text:
            found.append(f"{file} asks for librdkafka's version: {FILE} does")
        found += [f"{file}: {FILE} has no {name}" for name in sorted(set(re.findall(r"KCA__QUIRK_\w+", text)) - known)]
    return found


def test_each_rule_is_held_against_a_file_that_breaks_it() -> None:
    row = "/* It hangs (#7). {} wakes it. */ KCA__QUIRK_HANGS = 1,"
    whole = {FILE: row.format("inbound/fetch.c"), "inbound/fetch.c": "KCA__QUIRK_HANGS"}
    assert not all_faults(whole), all_faults(whole)
    for broken in (
        {FILE: whole[FILE].replace("(#7)", "")},
        {FILE: row.format("Somebody")},
        {FILE: row.format("inbound/seek.c")},
        {"inbound/seek.c": "KCA__QUIRK_LOOPS"},
        {"inbound/seek.c": "rd_kafka_version() < 2"},
    ):
        found = all_faults(whole | broken)
        assert len(found) == 1, f"{broken}: {found}"


def main() -> None:
    test_each_rule_is_held_against_a_file_that_breaks_it()
    files = sources(Path(sys.argv[1]) / "core")
    assert len(ROW.findall(files[FILE])) > 10
    sys.exit("\n".join(all_faults(files)) or 0)


if __name__ == "__main__":
    main()
