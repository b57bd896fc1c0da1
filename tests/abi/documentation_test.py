"""The header is the manual: what it declares, it explains.

A declaration is explained by the comment right above it, or on its line, or above the group that it stands in: the
declarations without an empty line between them. `..._new(T **out)` and `..._free(T *)` alone are explained by the
rules at the head of the file.
"""

from __future__ import annotations

import re
import unittest
from collections.abc import Iterator

import contract
from surroundings import HEADER


def groups(text: str) -> Iterator[list[str]]:
    """The header's blocks: lines between empty lines that are not inside a comment or an enum."""
    block: list[str] = []
    comment = braces = False
    for line in text.splitlines():
        if not line.strip() and not comment and not braces:
            if block:
                yield block
            block = []
            continue
        block.append(line)
        bare = re.sub(r"/\*.*?\*/", "", line)
        comment = "/*" in bare or (comment and "*/" not in line)
        braces = bare.count("{") > bare.count("}") or (braces and "}" not in bare)
    if block:
        yield block


def unexplained(text: str) -> list[str]:
    """Names of functions, callback types and constants that nothing explains."""
    found = []
    for block in groups(text):
        explained = block[0].lstrip().startswith("/*") and not block[0].startswith("/* ----")
        for line in block:
            code = contract.without_comments(line).strip()
            explained = explained or (line.lstrip().startswith("/*") and not line.startswith("/* ----"))
            if explained or "/*" in line:
                continue
            found += re.findall(r"\b(kca_\w+)\(", code)
            found += re.findall(r"\(\*(kca_\w+)\)", code)
            found += re.findall(r"\b(KCA_[A-Z_0-9]+) = ", code)
    return found


class Documentation(unittest.TestCase):
    """Of kca_abi.h."""

    def test_all_is_explained(self) -> None:
        declared = contract.read(HEADER)
        missing = []
        for name in unexplained(HEADER.read_text(encoding="utf-8")):
            function = declared.functions.get(name)
            plain = function and len(function.parameters) == 1 and name.endswith(("_new", "_free"))
            if not plain:
                missing.append(name)
        self.assertEqual(missing, [])

    def test_sees_what_is_missing(self) -> None:
        text = "/* ---- part ---- */\n\n/* Yes. */\nint kca_a(void);\nint kca_b(void);\n\nint kca_c(void);\n"
        self.assertEqual(unexplained(text), ["kca_c"])
        self.assertEqual(unexplained("enum {\n    KCA_A = 1, /* first */\n    KCA_B = 2\n};\n"), ["KCA_B"])
        self.assertEqual(unexplained("/* ---- part ---- */\nint kca_a(void);\n"), ["kca_a"])


if __name__ == "__main__":
    unittest.main()
