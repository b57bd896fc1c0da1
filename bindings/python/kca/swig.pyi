# What SWIG writes beside _kca: the classes of the handles.
from typing import Any

def __getattr__(name: str) -> Any: ...
