"""A chat template is a program in jinja; this allows what chat templates need and nothing else.

transformers runs templates in jinja's sandbox, other engines have run them without one. So the
syntax tree is checked against short lists: which nodes, which functions, which methods.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldsmith.errors import ArtefactError
from goldsmith.registry.documents import refused

if TYPE_CHECKING:
    from jinja2 import nodes

LONGEST = 256 << 10
"""Bytes of one template."""

_FUNCTIONS = {"raise_exception", "range", "namespace", "strftime_now", "dict"}
_METHODS = re.compile(
    "append|capitalize|count|endswith|find|get|index|isdigit|items|join|keys|lower|lstrip|"
    "removeprefix|removesuffix|replace|rsplit|rstrip|split|splitlines|startswith|strip|title|"
    "upper|values"
)
_FILTERS = re.compile(
    "abs|capitalize|default|d|dictsort|first|float|indent|int|items|join|last|length|list|lower|"
    "map|max|min|reject|rejectattr|replace|reverse|round|safe|select|selectattr|sort|string|sum|"
    "title|tojson|trim|unique|upper"
)
_FORBIDDEN_NAMES = {"self", "cycler", "joiner", "lipsum", "config", "request", "context"}
_LARGEST_NUMBER = 100_000


def check_template(path: Path, source: str) -> None:
    """Refuse a template that does not parse or reaches for more than chat templates need."""
    if len(source.encode()) > LONGEST:
        raise refused(path, f"its chat template has more than {LONGEST} bytes")
    tree = _parse(path, source)
    functions = _FUNCTIONS | _macros(tree)
    for node in _nodes(tree):
        if why := _objection(node, functions):
            raise refused(path, f"its chat template {why} (line {node.lineno})")


def _parse(path: Path, source: str) -> nodes.Template:
    try:
        import jinja2
    except ImportError as error:
        raise ArtefactError(
            f"the chat template of {path.name} cannot be checked",
            why="jinja2 is not installed",
            fix="pip install jinja2",
        ) from error
    environment = jinja2.Environment(extensions=["jinja2.ext.loopcontrols", _generation_tag()])
    try:
        return environment.parse(source)
    except (jinja2.TemplateError, RecursionError) as error:
        raise refused(path, f"its chat template does not parse: {error}") from error


def _nodes(tree: nodes.Template) -> list[nodes.Node]:
    from jinja2 import nodes

    return list(tree.find_all(nodes.Node))


def _macros(tree: nodes.Template) -> set[str]:
    """The functions that the template defines itself."""
    from jinja2 import nodes

    return {macro.name for macro in tree.find_all(nodes.Macro)} | {"caller"}


def _generation_tag() -> type[Any]:
    """`{% generation %}` marks what an assistant wrote; transformers and trl know it."""
    from jinja2 import nodes
    from jinja2.ext import Extension
    from jinja2.parser import Parser

    class Generation(Extension):
        tags = {"generation"}  # noqa: RUF012 (jinja's own declaration)

        def parse(self, parser: Parser) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    return Generation


def _objection(node: nodes.Node, functions: set[str]) -> str:
    """What is wrong with one node of the tree; empty if nothing is."""
    from jinja2 import nodes

    match node:
        case nodes.Import() | nodes.FromImport() | nodes.Include() | nodes.Extends() | nodes.Pow():
            return f"uses {type(node).__name__}"
        case nodes.Const(value=str(text)) if "__" in text or text != text.strip("_"):
            return "holds text that may become a name with two underscores"
        case nodes.Const(value=int(number)) if abs(number) > _LARGEST_NUMBER:
            return "holds a huge number"
        case nodes.Name(name=name) if name.startswith("__") or name in _FORBIDDEN_NAMES:
            return f"uses {name}"
        case nodes.Getattr(attr=name) if name.startswith("_"):
            return f"reads the attribute {name}"
        case nodes.Getitem(arg=argument) if _computes_text(argument):
            return "computes the name of an attribute"
        case nodes.Filter(name=name) if not _FILTERS.fullmatch(name):
            return f"uses the filter {name}"
        case nodes.Mul(left=left, right=right) if _is_text(left) or _is_text(right):
            return "multiplies text"
        case nodes.Call(node=nodes.Getattr(attr=name)) if not _METHODS.fullmatch(name):
            return f"calls the method {name}"
        case nodes.Call(node=nodes.Name(name=name)) if name not in functions:
            return f"calls the function {name}"
        case nodes.Call(node=nodes.Name()) | nodes.Call(node=nodes.Getattr()):
            return ""
        case nodes.Call():
            return "calls the result of an expression"
    return ""


def _computes_text(argument: nodes.Node) -> bool:
    """Whether a subscript is put together at run time from text, past the check for `__`."""
    from jinja2 import nodes

    if isinstance(argument, (nodes.Concat, nodes.Filter, nodes.Call, nodes.Mod, nodes.CondExpr)):
        return True
    return isinstance(argument, nodes.Add) and any(
        _is_text(part) for part in argument.find_all(nodes.Const)
    )


def _is_text(node: nodes.Node) -> bool:
    from jinja2 import nodes

    return isinstance(node, nodes.Const) and isinstance(node.value, str)
