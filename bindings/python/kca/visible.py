"""What a terminal would obey, or a reader not see, in the texts of others: made visible."""

from __future__ import annotations

import re

# As the library has it (core/base/visible.h): control characters, line ends, and characters that change the direction
# of writing; lone surrogates stand for bytes that are not UTF-8.
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    elif code >= 0x80:
        return f"\\u{code:04x}"
    return _SHORT.get(found[0], f"\\x{code:02x}")


def visible(text: str | bytes) -> str:
    """The text as the library has it in its own texts."""
    told = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text
    return _HIDDEN.sub(_escape, told)
