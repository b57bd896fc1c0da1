"""Within ABI 1 names are only added: the frozen header against today's."""

from __future__ import annotations

import unittest

import contract
from surroundings import FROZEN, HEADER


class Frozen(unittest.TestCase):
    """tests/abi/freeze makes the frozen copy."""

    def test_all_that_was_frozen_is_as_it_was(self) -> None:
        found = contract.changes(contract.read(FROZEN / "kca_abi.h"), contract.read(HEADER))
        self.assertEqual(found, [], "\nABI 1 is broken; see tests/abi/freeze")


class Sees(unittest.TestCase):
    """The comparison itself."""

    def changes_of(self, old: str, new: str) -> list[str]:
        text = HEADER.read_text(encoding="utf-8")
        self.assertIn(old, text)
        return contract.changes(contract.parse(text), contract.parse(text.replace(old, new)))

    def test_sees_what_breaks(self) -> None:
        for old, new in (
            ("int kca_abi(void);", ""),
            ("int kca_abi(void);", "long kca_abi(void);"),
            ("kca_bus_publish(kca_bus *bus, const", "kca_bus_publish(kca_bus *bus,"),
            ("kca_bus *bus, int timeout_ms", "kca_bus *bus, int64_t timeout_ms"),
            ("kca_bus *bus, int timeout_ms", "kca_bus *bus"),
            ("KCA_REJECTED = 2", "KCA_REJECTED = 5"),
            ("KCA_REJECTED = 2", "KCA_REFUSED = 2"),
            ("typedef int (*kca_handler_fn)(kca_delivery *d,", "typedef int (*kca_handler_fn)(const kca_delivery *d,"),
            ("typedef void (*kca_free_fn)(void *user);", "typedef int (*kca_free_fn)(void *user);"),
        ):
            with self.subTest(old=old, new=new):
                self.assertEqual(len(self.changes_of(old, new)), 1)

    def test_lets_additions_and_other_names_of_parameters_pass(self) -> None:
        for old, new in (
            ("int kca_abi(void);", "int kca_abi(void);\nint kca_more(int how);"),
            ("KCA_REJECTED = 2", "KCA_REJECTED = 2, KCA_MORE = 9"),
            ("kca_bus *bus, int timeout_ms", "kca_bus *b, int patience_ms"),
        ):
            with self.subTest(old=old, new=new):
                self.assertEqual(self.changes_of(old, new), [])


if __name__ == "__main__":
    unittest.main()
