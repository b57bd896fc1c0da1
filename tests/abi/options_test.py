"""Options: each setter of the header has its row, and the comment above it says what the row does.

The rows are what build/.../option_rows prints of the tables in core/.
"""

from __future__ import annotations

import json
import os
import re
import unittest
from typing import Any

import contract
import surroundings
from surroundings import BUILD, HEADER

ROWS = os.environ.get("KCA_OPTION_ROWS", str(BUILD / "tests/abi/option_rows"))

# Setters without a row of their name: they take several values, or add to what the object was made with.
WITHOUT_ROW = {
    "kca_connection_with_tls",
    "kca_connection_with_sasl",
    "kca_connection_with_property",
    "kca_publisher_builder_with_property",
    "kca_consumer_builder_with_property",
    "kca_consumer_builder_with_group_topic",
}
TYPES = {
    "int": "int",
    "flag": "int",
    "time": "int64_t",
    "double": "double",
    "text": "const char *",
    "choice": "const char *",
    "ints": "int",
    "texts": "const char *",
}
# Ranges that the header tells otherwise than as "least to most".
RANGES = {
    "publisher_builder.required_acks": (-1, 1, ["0 none", "1 the partition's leader", "-1 all"]),
    "publisher_builder.buffer_timeout_ms": (-1, 2147483647, ["-1", "0"]),
    "consumer_builder.partition": (-2, 2147483647, ["0 or above", "KCA_PARTITION_EVERY"]),
    "consumer_builder.max_attempts": (0, 1000000, ["0:", "up to 1000000"]),
}
# Defaults that have a name.
NAMED = {"consumer_builder.partition": "KCA_PARTITION_ASSIGNED"}
# Properties that the header tells elsewhere: the consumer's own comment has it.
ELSEWHERE = {"group.id"}


def rows() -> dict[str, list[dict[str, Any]]]:
    """The tables by the noun of their setters."""
    done = surroundings.run([ROWS])
    assert done.returncode == 0, done.stdout
    tables: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return tables


def comments(text: str) -> dict[str, str]:
    """The comment above each setter in one line; two declarations in a row have the same."""
    found: dict[str, str] = {}
    for block in re.finditer(r"/\*((?:(?!\*/).)*)\*/\n((?:void [^;]*;\n)+)", text, re.DOTALL):
        said = " ".join(re.sub(r"^ \*", " ", block[1], flags=re.MULTILINE).split())
        for name in re.findall(r"\b(kca_\w+_with_\w+)\(", block[2]):
            found[name] = said
    return found


def number(value: float, kind: str) -> str:
    """As the header writes it."""
    return f"{value:.1f}" if kind == "double" else f"{value:.0f}"


def stands_in(said: str, word: str) -> bool:
    """Whether the comment has the word, and no longer number that begins so."""
    return bool(re.search(rf"(?<![\w.-]){re.escape(word)}(?![\d]|\.\d)", said))


def is_default(said: str, value: str) -> bool:
    """Whether the comment says "default <value>" or "<value> ... (default)"."""
    word = re.escape(value)
    before = rf"(?<![\w.-]){word}(?: [a-z]+)? \(default\)"
    return bool(re.search(rf"[Dd]efault:? {word}(?![\w]|\.\d)", said) or re.search(before, said))


def faults_of(noun: str, row: dict[str, Any], said: str) -> list[str]:
    """What of the row the comment does not say."""
    found = []
    kind, name = row["kind"], f"{noun}.{row['name']}"
    document = re.match(r"Document (\w+):", said)
    if (document and document[1]) != row.get("document"):
        found.append(f"the document's name is {row.get('document')}")
    if row.get("sets") and row["sets"] not in said and row["sets"] not in ELSEWHERE:
        found.append(f"it sets {row['sets']}")
    if kind in ("int", "time", "double", "ints"):
        least, most, words = RANGES.get(name, (row["least"], row["most"], None))
        words = words or [f"{number(least, kind)} to {number(most, kind)}"]
        if (least, most) != (row["least"], row["most"]) or not all(stands_in(said, word) for word in words):
            found.append(f"its range is {row['least']} to {row['most']}")
    if kind in ("int", "flag", "double"):
        initial = NAMED.get(name, number(row["initial"], kind))
        if not is_default(said, initial):
            found.append(f"its default is {initial}")
    if kind == "choice":
        places = [said.find(f'"{choice}"') for choice in row["choices"]]
        if -1 in places or places != sorted(places):
            found.append(f"its choices are {row['choices']}")
        if not row["depends"] and not is_default(said, f'"{row["choices"][0]}"'):
            found.append(f"its default is {row['choices'][0]}")
    if row.get("otherwise") and not is_default(said, f'"{row["otherwise"]}"'):
        found.append(f"its default is {row['otherwise']}")
    return found


class Options(unittest.TestCase):
    """Of all that have some."""

    def setUp(self) -> None:
        """Reads both sides."""
        self.rows = {f"kca_{noun}_with_{row['name']}": (noun, row) for noun, table in rows().items() for row in table}
        declared = contract.read(HEADER).functions
        prefixes = tuple(f"kca_{noun}_with_" for noun in rows())
        self.setters = {name: f for name, f in declared.items() if name.startswith(prefixes)}
        self.said = comments(HEADER.read_text(encoding="utf-8"))

    def test_every_setter_has_its_row(self) -> None:
        self.assertGreater(len(self.setters), 60)
        self.assertEqual(set(self.setters) - set(self.rows), WITHOUT_ROW - {"kca_connection_with_tls"})
        # with_tls and with_sasl set several rows, whose names are for errors
        others = {row["name"] for noun, row in self.rows.values() if noun == "connection"}
        others -= {"tls_key_password", "unencrypted_sasl", "fault_after_ms"}
        without = {name.split("_with_")[1] for name in set(self.rows) - set(self.setters)}
        self.assertEqual(without, others - {"tls"})

    def test_every_setter_takes_the_type_of_its_row(self) -> None:
        for name, function in self.setters.items():
            if name not in WITHOUT_ROW:
                taken = [p.type for p in function.parameters[1:]]
                self.assertEqual(taken, [TYPES[self.rows[name][1]["kind"]]], name)

    def test_every_comment_says_what_the_row_does(self) -> None:
        found = []
        for name in set(self.setters) - WITHOUT_ROW:
            noun, row = self.rows[name]
            found += [f"{name}: {fault}" for fault in faults_of(noun, row, self.said.get(name, ""))]
        self.assertEqual(sorted(found), [])

    def test_a_comment_that_says_otherwise_is_found(self) -> None:
        row = {"name": "size", "kind": "int", "least": 1, "most": 10, "initial": 5, "depends": False}
        fine = "Document WithSize: records; 1 to 10, default 5. fetch.size"
        full = {**row, "document": "WithSize", "sets": "fetch.size"}
        self.assertEqual(faults_of("x", full, fine), [])
        for wrong in ("1 to 100", "default 50", "default 5.5", "Document WithSizes", "fetch.max"):
            right = {"1": "1 to 10,", "d": "default 5.", "D": "Document WithSize:", "f": "fetch.size"}[wrong[0]]
            self.assertEqual(len(faults_of("x", full, fine.replace(right, wrong + right[-1]))), 1, wrong)
        choice = {"name": "x", "kind": "choice", "choices": ["a", "b"], "depends": False}
        self.assertEqual(faults_of("x", choice, '"a" (default) or "b"'), [])
        self.assertEqual(len(faults_of("x", choice, '"b" (default) or "a"')), 2)


if __name__ == "__main__":
    unittest.main()
