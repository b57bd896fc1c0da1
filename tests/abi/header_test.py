"""The one header, unchanged, for C, C++, cffi, LuaJIT and SWIG."""

from __future__ import annotations

import unittest

import contract
import surroundings
from surroundings import ABI, HEADER, LIBRARY

surroundings.need("gcc", "g++", "clang", "clang++", "luajit", "swig")

USES_IT = """
#include <kca.h>
int main(void) {
    kca_message *m;
    kca_error *e = kca_message_new(&m, "n");
    kca_error_free(e);
    kca_message_free(m);
    return kca_abi() == 1 ? KCA_OK : 1;
}
"""
STRICT = ("-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", f"-I{ABI}")


class Text(unittest.TestCase):
    """What stands in it."""

    def test_no_preprocessor_line(self) -> None:
        lines = HEADER.read_text(encoding="utf-8").splitlines()
        hashes = [number for number, line in enumerate(lines, 1) if line.lstrip().startswith("#")]
        self.assertEqual(hashes, [])

    def test_ascii_only(self) -> None:
        self.assertTrue(HEADER.read_bytes().isascii())

    def test_only_functions_opaque_types_callbacks_and_unnamed_enums(self) -> None:
        found = contract.read(HEADER)
        self.assertEqual(found.others, [])
        for name, text in found.typedefs.items():
            opaque = text == f"struct {name}"
            callback = "(*)" in text and name.endswith("_fn")
            self.assertTrue(opaque or callback, f"{name}: {text}")

    def test_names_begin_with_the_prefix(self) -> None:
        found = contract.read(HEADER)
        for name in (*found.functions, *found.typedefs):
            self.assertRegex(name, r"^kca_[a-z]")
        for name in found.constants:
            self.assertRegex(name, r"^KCA_[A-Z]")

    def test_no_parameter_is_a_word_of_cplusplus(self) -> None:
        words = {"new", "delete", "class", "template", "this", "operator", "private", "public"}
        for function in contract.read(HEADER).functions.values():
            names = {parameter.name for parameter in function.parameters}
            self.assertFalse(names & words, function.name)
            self.assertNotIn("", names, function.name)


class Compilers(surroundings.TestCase):
    """C and C++ through kca.h."""

    def test_c(self) -> None:
        source = self.write("uses.c", USES_IT)
        for compiler in ("gcc", "clang"):
            for standard in ("c99", "c11", "c17"):
                with self.subTest(compiler=compiler, standard=standard):
                    self.succeeds(compiler, f"-std={standard}", *STRICT, source)

    def test_cplusplus(self) -> None:
        source = self.write("uses.cc", USES_IT)
        for compiler in ("g++", "clang++"):
            for standard in ("c++11", "c++17", "c++20"):
                with self.subTest(compiler=compiler, standard=standard):
                    self.succeeds(compiler, f"-std={standard}", *STRICT, source)

    def test_twice_in_one_file(self) -> None:
        source = self.write("twice.c", "#include <kca.h>\n" + USES_IT)
        self.succeeds("gcc", "-std=c11", *STRICT, source)


class Readers(surroundings.TestCase):
    """Those that read the file's text."""

    def test_cffi(self) -> None:
        try:
            import cffi
        except ImportError:
            self.skipTest("no cffi for this Python")
        ffi = cffi.FFI()
        ffi.cdef(HEADER.read_text(encoding="utf-8"))
        library = ffi.dlopen(str(LIBRARY))
        self.assertEqual(library.kca_abi(), 1)
        self.assertEqual(library.KCA_ERROR_BROKER, contract.read(HEADER).constants["KCA_ERROR_BROKER"])
        for name in contract.read(HEADER).functions:
            self.assertTrue(getattr(library, name))

    def test_luajit(self) -> None:
        names = "".join(f"assert(kca.{name} ~= nil)\n" for name in contract.read(HEADER).functions)
        script = self.write(
            "uses.lua",
            f"""
            local ffi = require("ffi")
            local file = assert(io.open("{HEADER}"))
            ffi.cdef(file:read("*a"))
            local kca = ffi.load("{LIBRARY}")
            assert(kca.kca_abi() == 1)
            assert(kca.KCA_ERROR_BROKER == 18)
            assert(type(kca.kca_error_code(nil)) == "number")
            {names}""",
        )
        self.succeeds("luajit", script)

    def test_swig(self) -> None:
        interface = self.write(
            "kca_test.i",
            '%module kca_test\n%{\n#include "kca.h"\n%}\n%include <stdint.i>\n%include "kca_abi.h"\n',
        )
        for language in ("python", "lua"):
            with self.subTest(language=language):
                wrapper = self.scratch / f"{language}_wrap.c"
                said = self.succeeds("swig", f"-{language}", "-Wall", f"-I{ABI}", "-o", wrapper, interface)
                self.assertNotIn("Error", said)
                self.assertIn("kca_bus_publish", wrapper.read_text(encoding="utf-8"))


if __name__ == "__main__":
    unittest.main()
