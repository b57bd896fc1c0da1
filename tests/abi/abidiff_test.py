"""abidiff of libkca.so against the stored baseline."""

from __future__ import annotations

import platform
import re
import sys
import unittest

import surroundings
from surroundings import ABI, FROZEN, LIBRARY, SKIPPED

surroundings.need("abidiff", "readelf")

BASELINE = FROZEN / "libkca.abi"


def skip(reason: str) -> None:
    """Ends the test as skipped."""
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


if platform.machine() != "x86_64":
    skip("the baseline is of x86-64")
if ".debug_info" not in surroundings.run(["readelf", "-SW", LIBRARY]).stdout:
    skip(f"{LIBRARY} has no debug information")


class Abidiff(surroundings.TestCase):
    """tests/abi/freeze makes the baseline."""

    def test_nothing_but_additions(self) -> None:
        options = ("--no-added-syms", "--drop-private-types", "--exported-interfaces-only")
        self.succeeds("abidiff", *options, "--headers-dir2", ABI, BASELINE, LIBRARY)

    def test_the_baseline_names_no_place_of_a_machine(self) -> None:
        text = BASELINE.read_text(encoding="utf-8")
        self.assertEqual(re.findall(r"path='/[^']*'|comp-dir-path|filepath=", text), [])
        self.assertLess(len(text), 300_000)


if __name__ == "__main__":
    unittest.main()
