"""What modules declare, read from their text, since to run them would take seconds."""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from regimes.config.own_code import is_own, split
from regimes.errors import ConfigError
from regimes.plan.provenance import module_path, sources, tree_of


def constants(module: str) -> dict[str, Any]:
    """Values of the top-level names of a module that are texts, numbers and tuples of such.

    Names in capitals that it imports from another module of `regimes` are looked up there. Raises
    ModuleNotFoundError for a module that does not exist.
    """
    known: dict[str, Any] = {}
    for node in _tree(module).body:
        match node:
            case ast.ImportFrom(module=str(source)) if module_path(source) is not None:
                # By their capitals: to look into every import would take a second.
                names = {one.name for one in node.names if one.name.isupper()}
                if names:
                    known |= {key: one for key, one in constants(source).items() if key in names}
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                try:
                    known[name] = _value(value, known)
                except ValueError:
                    continue
    return known


def claims_need(modules: Iterable[str]) -> tuple[str, ...]:
    """Experiments that the claims declared in some modules need, each once, in their order."""
    found: dict[str, None] = {}
    for module in modules:
        known = constants(module)
        for node in ast.walk(_tree(module)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "claim":
                needs = next((one.value for one in node.keywords if one.arg == "needs"), None)
                if needs is None:
                    raise ConfigError(f"{module}, line {node.lineno}: the claim says no needs=...")
                try:
                    found |= dict.fromkeys(_value(needs, known))
                except ValueError as error:
                    raise ConfigError(f"{module}, line {needs.lineno}: needs: {error}") from None
    return tuple(found)


@dataclass(frozen=True)
class Argument:
    """A keyword-only argument: whether it must be given, and its values if it has only some."""

    needed: bool
    allowed: tuple[Any, ...] | None


def arguments_of(module: str, function: str) -> dict[str, Argument] | None:
    """Keyword-only arguments of a function of a module; None if it has no such function."""
    node = functions_of(module).get(function)
    if node is None:
        return None
    pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    return {one.arg: Argument(default is None, _allowed(one)) for one, default in pairs}


def functions_of(module: str) -> dict[str, ast.FunctionDef]:
    """The functions at the top level of a module by their names."""
    return {one.name: one for one in _tree(module).body if isinstance(one, ast.FunctionDef)}


def _tree(module: str) -> ast.Module:
    path = module_path(module)
    if path is None:
        raise ModuleNotFoundError(f"no module {module}")
    return tree_of(split(module)[0] if is_own(module) else module, sources().text(path))


def _allowed(argument: ast.arg) -> tuple[Any, ...] | None:
    """The values of an argument that is annotated with `Literal[...]` or `bool`, else None."""
    match argument.annotation:
        case ast.Name(id="bool"):
            return (False, True)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=ast.Tuple() as values):
            return _value(values, {})
    return None


def _value(node: ast.expr, known: Mapping[str, Any]) -> Any:
    """Value of an expression; raises ValueError for one that must be run."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.Tuple(elts=elements):
            parts: list[Any] = []
            for element in elements:
                if isinstance(element, ast.Starred):
                    parts += _value(element.value, known)
                else:
                    parts.append(_value(element, known))
            return tuple(parts)
    raise ValueError(f"{ast.unparse(node)} is no text or tuple, nor the name of one")
