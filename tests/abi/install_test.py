"""What `cmake --install` puts down can be used: by pkg-config, by CMake, from C and C++, shared and static."""

from __future__ import annotations

import os
import shutil
import subprocess
import unittest
from pathlib import Path

import surroundings
from surroundings import BUILD, CC, ROOT

surroundings.need("cmake", "pkg-config", "ninja", "g++")

PROGRAM = """
#include <kca.h>
#include <stdio.h>
int main(void) {
    kca_system *s = NULL;
    kca_error *e = kca_system_new(&s);
    printf("kca %s, ABI %d, librdkafka %s\\n", kca_version(), kca_abi(), kca_rdkafka_version());
    kca_error_free(e);
    kca_system_free(s);
    return kca_abi() == 1 && s ? 0 : 1;
}
"""

PROJECT = """
cmake_minimum_required(VERSION 3.20)
project(uses_kca LANGUAGES C CXX)
find_package(kca 0.1 REQUIRED)
add_executable(in_c program.c)
target_link_libraries(in_c PRIVATE kca::kca)
add_executable(in_cxx program.cc)
target_link_libraries(in_cxx PRIVATE kca::kca)
add_executable(alone program.c)
target_link_libraries(alone PRIVATE kca::kca_static)
"""


class Install(surroundings.TestCase):
    """One installation for all tests, which is then moved: nothing may know where it was."""

    top: Path
    prefix: Path

    @classmethod
    def setUpClass(cls) -> None:
        """Installs, and moves it."""
        cls.top = surroundings.scratch()
        first = cls.top / "first"
        done = surroundings.run(["cmake", "--install", BUILD, "--prefix", first])
        if done.returncode != 0:
            raise AssertionError(done.stdout)
        cls.prefix = cls.top / "opt" / "kca"
        cls.prefix.parent.mkdir()
        first.rename(cls.prefix)

    @classmethod
    def tearDownClass(cls) -> None:
        """Removes it."""
        shutil.rmtree(cls.top, ignore_errors=True)

    def libdir(self) -> Path:
        return next(self.prefix.rglob("libkca.so.1")).parent

    def pkg_config(self, *words: str, libdir: Path | None = None) -> list[str]:
        path = (libdir or self.libdir()) / "pkgconfig"
        said = self.succeeds("pkg-config", *words, "kca", env={"PKG_CONFIG_PATH": str(path)})
        return said.split()

    def runs(self, binary: Path) -> None:
        env = {"LD_LIBRARY_PATH": str(self.libdir())}
        self.assertIn("kca 0.1.0, ABI 1, librdkafka 2", self.succeeds(binary, env=env))

    def test_the_files(self) -> None:
        self.assertEqual(sorted(path.name for path in (self.prefix / "include").iterdir()), ["kca.h", "kca_abi.h"])
        names = {path.name for path in self.libdir().iterdir()}
        self.assertLessEqual({"libkca.so", "libkca.so.1", "libkca.a"}, names)
        for link in ("libkca.so", "libkca.so.1"):
            self.assertFalse(os.path.isabs(os.readlink(self.libdir() / link)))

    def test_no_file_knows_where_it_was_built(self) -> None:
        places = (str(ROOT), str(BUILD), str(self.top / "first"))
        for path in self.prefix.rglob("*"):
            if path.suffix in (".cmake", ".pc", ".h"):
                text = path.read_text(encoding="utf-8")
                self.assertEqual([place for place in places if place in text], [], path)

    def test_pkg_config_shared(self) -> None:
        source, binary = self.write("program.c", PROGRAM), self.scratch / "program"
        flags = self.pkg_config("--cflags", "--libs")
        self.assertNotIn("-lrdkafka", flags)  # our own affair
        self.succeeds(CC, "-Wall", "-Wextra", "-Werror", source, "-o", binary, *flags)
        self.runs(binary)

    def test_pkg_config_static(self) -> None:
        copy = self.scratch / "static"
        shutil.copytree(self.prefix, copy, symlinks=True)
        libdir = copy / self.libdir().relative_to(self.prefix)
        for shared in libdir.glob("libkca.so*"):
            shared.unlink()
        flags = self.pkg_config("--static", "--cflags", "--libs", libdir=libdir)
        self.assertLessEqual({"-lkca", "-lrdkafka", "-lcjson", "-lssl", "-lcrypto", "-pthread"}, set(flags))
        flags = [flag for flag in flags if not flag.startswith("-l") or self.is_there(flag)]
        source, binary = self.write("program.c", PROGRAM), self.scratch / "program"
        self.succeeds(CC, source, "-o", binary, "-L", libdir, *flags)
        self.assertNotIn("libkca", self.succeeds("ldd", binary))
        self.runs(binary)

    def is_there(self, flag: str) -> bool:
        """Debian's librdkafka-dev names libraries that it does not bring along; its shared library has them."""
        empty = self.write("empty.c", "int main(void) { return 0; }\n")
        done = surroundings.run([CC, empty, "-o", self.scratch / "empty", flag])
        return flag == "-lkca" or done.returncode == 0

    def test_cplusplus(self) -> None:
        source, binary = self.write("program.cc", PROGRAM), self.scratch / "program"
        flags = self.pkg_config("--cflags", "--libs")
        self.succeeds("g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", source, "-o", binary, *flags)
        self.runs(binary)

    def test_find_package(self) -> None:
        self.write("CMakeLists.txt", PROJECT)
        self.write("program.c", PROGRAM)
        self.write("program.cc", PROGRAM)
        build = self.scratch / "build"
        prefix = f"-DCMAKE_PREFIX_PATH={self.prefix}"
        self.succeeds("cmake", "-G", "Ninja", "-S", self.scratch, "-B", build, prefix)
        self.succeeds("cmake", "--build", build)
        self.runs(build / "in_c")
        self.runs(build / "in_cxx")
        self.assertNotIn("libkca", self.succeeds("ldd", build / "alone"))
        self.runs(build / "alone")

    def test_find_package_refuses_another_version(self) -> None:
        self.write("CMakeLists.txt", PROJECT.replace("kca 0.1 REQUIRED", "kca 1.0 REQUIRED"))
        self.write("program.c", PROGRAM)
        self.write("program.cc", PROGRAM)
        prefix = f"-DCMAKE_PREFIX_PATH={self.prefix}"
        build = self.scratch / "build"
        done = surroundings.run(["cmake", "-G", "Ninja", "-S", self.scratch, "-B", build, prefix])
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("0.1.0", done.stdout)


class Missing(surroundings.TestCase):
    """What is said when a library is not there."""

    PACKAGES = {
        "rdkafka": ("rdkafka 2.0.2", "librdkafka-dev", "RdKafka"),
        "libcjson": ("libcjson 1.7.14", "libcjson-dev", "cJSON"),
        "openssl": ("openssl 3.0", "libssl-dev", "OpenSSL"),
    }

    def configure(self, *missing: str) -> subprocess.CompletedProcess[str]:
        """Configures the project on a machine without these."""
        known = self.succeeds("pkg-config", "--variable", "pc_path", "pkg-config").strip().split(":")
        there = self.scratch / "pkgconfig"
        there.mkdir()
        for directory in known:
            for pc in Path(directory).glob("*.pc"):
                link = there / pc.name
                if pc.stem not in missing and not link.exists():
                    link.symlink_to(pc)
        hidden = [f"-DCMAKE_DISABLE_FIND_PACKAGE_{self.PACKAGES[name][2]}=ON" for name in missing]
        return surroundings.run(
            ["cmake", "-G", "Ninja", "-S", ROOT, "-B", self.scratch / "build", *hidden],
            env={"PKG_CONFIG_LIBDIR": str(there), "PKG_CONFIG_PATH": ""},
        )

    def test_each_missing_library_is_named_with_its_package(self) -> None:
        for name, (wanted, debian, _) in self.PACKAGES.items():
            with self.subTest(missing=name):
                done = self.configure(name)
                shutil.rmtree(self.scratch / "pkgconfig")
                shutil.rmtree(self.scratch / "build")
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(f"{wanted} or later (Debian package {debian})", done.stdout)
                for other, (_, package, _) in self.PACKAGES.items():
                    if other != name:
                        self.assertNotIn(package, done.stdout)

    def test_all_that_is_missing_is_said_at_once(self) -> None:
        done = self.configure(*self.PACKAGES)
        self.assertNotEqual(done.returncode, 0)
        for _, debian, _ in self.PACKAGES.values():
            self.assertIn(debian, done.stdout)
        self.assertEqual(done.stdout.count("CMake Error"), 1)

    def test_pkg_config_itself_may_be_missing(self) -> None:
        build = self.scratch / "build"
        said = surroundings.run(
            ["cmake", "-G", "Ninja", "-S", ROOT, "-B", build, "-DPKG_CONFIG_EXECUTABLE=/bin/false"]
        ).stdout
        self.assertIn("rdkafka 2.0.2 or later (Debian package librdkafka-dev)", said)
        self.assertNotIn("libssl-dev", said)


if __name__ == "__main__":
    unittest.main()
