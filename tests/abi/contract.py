"""What kca_abi.h declares, as data: the header read by pycparser."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from pycparser import c_ast, c_generator, c_parser

# Types that the header takes from <stddef.h> and <stdint.h>.
_PRELUDE = """
typedef unsigned long size_t;
typedef signed long int64_t;
typedef unsigned long uint64_t;
"""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a function."""

    name: str
    type: str


@dataclass(frozen=True)
class Function:
    """One declared function."""

    name: str
    returns: str
    parameters: tuple[Parameter, ...]
    line: int

    @property
    def type(self) -> str:
        """The type alone: the names of parameters are no part of the ABI."""
        return f"{self.returns} ({', '.join(p.type for p in self.parameters) or 'void'})"


@dataclass
class Contract:
    """All that a header declares."""

    functions: dict[str, Function] = field(default_factory=dict)
    typedefs: dict[str, str] = field(default_factory=dict)
    constants: dict[str, int] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)  # what such a header should not have


def _without_names(node: c_ast.Node) -> c_ast.Node:
    """Takes the names of all declarations in a type away."""
    if isinstance(node, c_ast.TypeDecl):
        node.declname = None
    if isinstance(node, c_ast.Decl):
        node.name = None
    for _, child in node.children():
        _without_names(child)
    return node


def _text(node: c_ast.Node) -> str:
    text: str = c_generator.CGenerator().visit(_without_names(node))
    return " ".join(text.split())


def _parameters(declaration: c_ast.FuncDecl) -> tuple[Parameter, ...]:
    found = []
    for p in declaration.args.params if declaration.args else []:
        name = p.name or ""
        found.append(Parameter(name, _text(p.type)))
    return () if [p.type for p in found] == ["void"] else tuple(found)


def _value(node: c_ast.Node) -> int:
    if isinstance(node, c_ast.UnaryOp) and node.op == "-":
        return -_value(node.expr)
    if not isinstance(node, c_ast.Constant):
        raise ValueError(f"an enum value that is not a number: {_text(node)}")
    return int(node.value, 0)


def _take_enum(contract: Contract, enum: c_ast.Enum) -> None:
    following = 0
    for item in enum.values.enumerators:
        value = _value(item.value) if item.value else following
        contract.constants[item.name] = value
        following = value + 1


def without_comments(text: str) -> str:
    """The text with as many lines, which pycparser needs."""
    return re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.DOTALL)


def parse(text: str) -> Contract:
    """Reads the text of a header that has no preprocessor line."""
    contract = Contract()
    text = without_comments(text)
    tree = c_parser.CParser().parse(f'{_PRELUDE}# 1 "kca_abi.h"\n{text}', "prelude")
    for node in tree.ext:
        if node.coord.file == "prelude":
            continue
        if isinstance(node, c_ast.Typedef):
            contract.typedefs[node.name] = _text(node.type)
        elif isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.FuncDecl):
            parameters = _parameters(node.type)
            contract.functions[node.name] = Function(node.name, _text(node.type.type), parameters, node.coord.line)
        elif isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.Enum):
            _take_enum(contract, node.type)
            if node.type.name or node.name:
                contract.others.append(f"line {node.coord.line}: an enum with a name")
        else:
            contract.others.append(f"line {node.coord.line}: {type(node).__name__}")
    return contract


def read(path: Path) -> Contract:
    """Reads a header file."""
    return parse(path.read_text(encoding="utf-8"))


def changes(frozen: Contract, today: Contract) -> list[str]:
    """What of the frozen contract is not as it was; additions are no change."""
    found = []
    for name, function in frozen.functions.items():
        now = today.functions.get(name)
        if now is None:
            found.append(f"{name} is gone")
        elif now.type != function.type:
            found.append(f"{name} was {function.type}, is {now.type}")
    for kind, old, new in (
        ("typedef", frozen.typedefs, today.typedefs),
        ("constant", frozen.constants, today.constants),
    ):
        for name, was in old.items():
            if name not in new:
                found.append(f"{kind} {name} is gone")
            elif new[name] != was:
                found.append(f"{kind} {name} was {was}, is {new[name]}")
    return found
