"""NULL everywhere: every function with every choice of its pointers NULL, and with odd numbers.

The program that calls them all is made from the header, so that no function is forgotten.
"""

from __future__ import annotations

import itertools
import unittest
from collections.abc import Iterator

import contract
import surroundings
from contract import Function, Parameter
from surroundings import CC, CC_FLAGS, HEADER, LIBRARY

# What the program has besides NULL, by type. Deliveries and what is hooked need a broker: other tests have them.
OBJECTS = {
    "connection": 'assert_ok(kca_connection_new(&o, "shop", "embedded://"));',
    "publisher_builder": 'assert_ok(kca_publisher_builder_new(&o, "shop", "orders"));',
    "consumer_builder": 'assert_ok(kca_consumer_builder_new(&o, "shop", "orders", "invoices"));',
    "system": "assert_ok(kca_system_new(&o)); declare(o);",
    "bus": 'kca_system *s = new_system(); assert_ok(kca_system_event_bus(s, "orders", &o)); kca_system_free(s);',
    "consumer": 'kca_system *s = new_system(); assert_ok(kca_system_consumer(s, "invoices", &o)); kca_system_free(s);',
    "queue": "kca_system *s = new_system(); assert_ok(kca_system_queue(s, &o)); kca_system_free(s);",
    "message": 'assert_ok(kca_message_new(&o, "OrderPlaced"));',
    "redrive": 'assert_ok(kca_redrive_new(&o, "shop", "orders.dead"));',
    "wake_socket": "assert_ok(kca_wake_socket_new(&o));",
    "event": "o = new_log();",
    "error": 'o = kca_connection_new(NULL, "", "");',
}
ORDER = ("connection", "publisher_builder", "consumer_builder", "system", "bus", "consumer", "queue",
         "message", "redrive", "wake_socket", "event", "error")  # fmt: skip
TAKERS = {"kca_event_free", "kca_string_free"} | {f"kca_{noun}_free" for noun in OBJECTS}
CALLBACKS = {
    "kca_handler_fn": "on_delivery",
    "kca_batch_fn": "on_batch",
    "kca_event_fn": "on_event",
    "kca_free_fn": "on_free",
    "kca_seen_fn": "on_id",
    "kca_mark_fn": "on_id",
    "kca_interrupt_fn": "on_interrupt",
    "kca_hook_fn": "on_hook",
    "kca_translator_fn": "on_translation",
}
NUMBERS = {"int", "int64_t", "uint64_t", "size_t", "double"}

PREAMBLE = """
#include "kca.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int calls, failures, users_freed;
static char where[300];

static void fail(const char *what) {
    printf("%s: %s\\n", where, what);
    failures++;
}

static void assert_ok(kca_error *e) {
    if (!e)
        return;
    printf("%s: %s\\n", where, kca_error_text(e));
    exit(1);
}

static int on_delivery(kca_delivery *d, void *user) {
    (void)d, (void)user;
    return KCA_DONE;
}

static int on_batch(kca_delivery *const *deliveries, int count, void *user) {
    (void)deliveries, (void)count, (void)user;
    return KCA_DONE;
}

static void on_event(const kca_event *e, void *user) {
    (void)e, (void)user;
}

static int on_interrupt(void *user) {
    (void)user;
    return 0;
}

static int on_hook(kca_hooked *h, void *user) {
    (void)h, (void)user;
    return KCA_GO_ON;
}

static int on_translation(kca_message *out, const kca_message *in, void *user) {
    (void)out, (void)in, (void)user;
    return KCA_DONE;
}

static int on_id(const char *message_id, void *user) {
    (void)message_id, (void)user;
    return 0;
}

static void on_free(void *user) {
    (void)user;
    users_freed++;
}

static void declare(kca_system *s) {
    kca_publisher_builder *p;
    assert_ok(kca_publisher_builder_new(&p, "nowhere", "orders"));
    assert_ok(kca_system_add_publisher(s, p));
    kca_publisher_builder_free(p);
    kca_consumer_builder *c;
    assert_ok(kca_consumer_builder_new(&c, "nowhere", "orders", "invoices"));
    assert_ok(kca_system_add_consumer(s, c));
    kca_consumer_builder_free(c);
}

static kca_system *new_system(void) {
    kca_system *s;
    assert_ok(kca_system_new(&s));
    declare(s);
    return s;
}

/* A start that fails leaves a line in the log. */
static kca_event *new_log(void) {
    kca_system *s = new_system();
    kca_queue *q;
    kca_event *e = NULL;
    assert_ok(kca_system_queue(s, &q));
    assert_ok(kca_system_log_to_queue(s, KCA_LOG_ERROR));
    kca_error_free(kca_system_start(s, 0));
    if (kca_queue_next(q, &e, 1, 0) != 1)
        fail("no log line");
    kca_queue_free(q);
    kca_system_free(s);
    return e;
}

static char *new_text(void) {
    char *text = NULL;
    kca_system *s = new_system();
    assert_ok(kca_system_describe(s, KCA_FORMAT_TEXT, &text));
    kca_system_free(s);
    return text;
}

static void take_error(kca_error *e, int wanted) {
    if (wanted && kca_error_code(e) != wanted)
        fail(e ? kca_error_text(e) : "went well without its object");
    if (e && (kca_error_code(e) <= KCA_OK || !*kca_error_text(e) || strchr(kca_error_text(e), '\\n')))
        fail("an error without a code or a line of text");
    kca_error_free(e);
}
"""


def _object_of(type_: str) -> str | None:
    """The noun of `kca_noun *` or `const kca_noun *`."""
    words = type_.replace("const ", "").split()
    noun = words[0].removeprefix("kca_") if len(words) == 2 and words[1] == "*" else ""
    return noun if words[0].startswith("kca_") and noun else None


class Call:
    """One call, as C."""

    def __init__(self, function: Function, given: tuple[bool, ...], number: int) -> None:
        """`given`: which of the pointers are not NULL."""
        self.function = function
        self.given = given
        self.number = number
        self.before: list[str] = []
        self.after: list[str] = []

    def _argument(self, index: int, p: Parameter, given: bool) -> str:
        local = f"a{index}"
        if p.type in NUMBERS:
            previous = index > 0 and self.given[index - 1]
            bytes_of = p.name == "len" and previous  # never more than there are
            return f"({p.type})1" if bytes_of else f"({p.type}){self.number}"
        if not given:
            return "NULL"
        if p.type in CALLBACKS:
            return CALLBACKS[p.type]
        if p.type in ("const char *", "const void *"):
            return '"x"'
        if p.type == "void *":
            return "&calls"
        if p.type == "char *":
            return "new_text()"
        if p.type.replace(" ", "") == "kca_delivery*const*":
            return "(kca_delivery *const[]){NULL}"
        noun = _object_of(p.type)
        if noun:
            self.before.append(f"kca_{noun} *{local} = new_{noun}();")
            if self.function.name not in TAKERS:
                self.after.append(f"kca_{noun}_free({local});")
            return local
        return self._out(local, p.type.removesuffix("*").strip())

    def _out(self, local: str, target: str) -> str:
        """An out parameter, full of rubbish: it is NULL after a failure."""
        if not target.endswith("*"):
            self.before.append(f"{target} {local} = 3;")
            return f"&{local}"
        self.before.append(f"{target}{local} = ({target})(uintptr_t)1;")
        if self.function.returns == "kca_error *":
            self.after.insert(0, f'if (failed && {local}) fail("out is not NULL");')
            noun = _object_of(target)
            free = "kca_string_free" if target == "char *" else f"kca_{noun}_free" if noun else None
            if free:
                self.after.insert(1, f"else if (!failed) {free}({local});")
        return f"&{local}"

    def text(self) -> str:
        """A block of statements."""
        f = self.function
        arguments = [self._argument(i, p, g) for i, (p, g) in enumerate(zip(f.parameters, self.given, strict=True))]
        call = f"{f.name}({', '.join(arguments)})"
        gone = bool(f.parameters) and not self.given[0] and _object_of(f.parameters[0].type)
        if f.returns == "kca_error *":
            wanted = "KCA_ERROR_ARGUMENT" if gone else "0"
            body = [f"kca_error *e = {call};", "int failed = e != NULL;", f"take_error(e, {wanted});"]
            if not any("failed" in line for line in self.after):
                body.append("(void)failed;")
        elif f.returns == "void":
            body = [f"{call};"]
        elif "*" in f.returns:
            body = [f"{f.returns}r = {call};"]
            empty = 'r && *r && strcmp(r, "ok") != 0' if f.returns == "const char *" else "r"
            body.append(f'if ({empty}) fail("something of nothing");' if gone else "(void)r;")
        else:
            body = [f"{f.returns} r = {call};"]
            nothing = "r != 0 && r != -1 && r != -KCA_ERROR_ARGUMENT"
            if f.returns in ("size_t", "uint64_t"):
                nothing = "r != 0"
            body.append(f'if ({nothing}) fail("something of nothing");' if gone else "(void)r;")
        after = list(self.after)
        for p, given in zip(f.parameters, self.given, strict=True):
            if p.type == "kca_free_fn":
                after.append(f'if (users_freed != {int(given)}) fail("free_user");')
        quoted = call.replace('"', "'")
        lines = [f'strcpy(where, "{quoted}");', "calls++;", "users_freed = 0;"]
        return "{ " + " ".join([*self.before, *lines, *body, *after]) + " }\n"


def calls_of(function: Function) -> Iterator[Call]:
    """With each choice of pointers, and three numbers."""
    choices = []
    for p in function.parameters:
        always_null = p.type in NUMBERS or _object_of(p.type) in ("delivery", "hooked")
        choices.append((False,) if always_null else (False, True))
    numbers = (0, -1, 1) if any(p.type in NUMBERS for p in function.parameters) else (0,)
    for given in itertools.product(*choices):
        for number in numbers:
            yield Call(function, given, number)


def program() -> str:
    """The whole program."""
    functions = contract.read(HEADER).functions.values()
    makers = "".join(
        f"static kca_{noun} *new_{noun}(void) {{ kca_{noun} *o; {OBJECTS[noun]} return o; }}\n"
        for noun in ORDER
        if noun != "system"
    )
    bodies, names = [], []
    for f in functions:
        body = "".join(call.text() for call in calls_of(f))
        bodies.append(f"static void call_{f.name}(void) {{\n{body}}}\n")
        names.append(f"    call_{f.name}();\n")
    end = '    printf("%d calls, %d failures\\n", calls, failures);\n    return failures ? 1 : 0;\n'
    main = f"int main(void) {{\n{''.join(names)}{end}}}\n"
    return PREAMBLE + makers + "".join(bodies) + main


class Null(surroundings.TestCase):
    """Runs the program."""

    def test_every_function_with_every_choice_of_null(self) -> None:
        source = self.write("null.c", program())
        binary = self.scratch / "null"
        self.succeeds(
            CC, "-std=c11", "-g", "-Wall", "-Wextra", "-Werror", *CC_FLAGS, f"-I{HEADER.parent}",
            source, "-o", binary, LIBRARY, f"-Wl,-rpath,{LIBRARY.parent}",
        )  # fmt: skip
        said = self.succeeds(binary)
        self.assertRegex(said, r"^\d+ calls, 0 failures$")
        print(said, end="")


if __name__ == "__main__":
    unittest.main()
