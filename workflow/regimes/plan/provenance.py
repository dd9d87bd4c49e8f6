"""Hashes of code and settings, and the stamps that tell Snakemake when either has changed.

The code of a stage is the import closure of the modules that do its work, and of its script where
that does a part of it: every module of `regimes` that these import, anywhere in their text, read
from the source without running it. Only what the code does counts: comments, docstrings, layout,
imports for type checkers alone and file times do not. The code of a run is that of its engine and
of the modules that the engine loads by name. What starts a job, reads and writes its files and goes
on from its states is no part of it.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from regimes.engines.registry import engine_module, settings_classes
from regimes.storage.atomic import replacing

PACKAGE = Path(__file__).resolve().parents[1]
PACKAGE_NAME = PACKAGE.name
SCRIPTS = PACKAGE.parent / "scripts"

Root = str | Path


def module_path(name: str) -> Path | None:
    """Source file of a dotted module of `regimes` (`__init__.py` for a package), None if absent."""
    parts = name.split(".")
    if parts[0] != PACKAGE_NAME or not all(part.isidentifier() for part in parts):
        return None
    base = PACKAGE.joinpath(*parts[1:])
    for candidate in (base / "__init__.py", base.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


def import_closure(roots: Iterable[Root]) -> dict[str, Path]:
    """All sources that the roots import, directly or not, the roots themselves included.

    roots: script files (paths) and modules of `regimes` (dotted names).
    Returns a mapping from dotted module name, or script file name, to source file. A package's
    `__init__` belongs to the closure of each of its modules, since importing these runs it.
    Raises ModuleNotFoundError for a root module that does not exist.
    """
    closure: dict[str, Path] = {}
    queue: list[str] = []
    for root in roots:
        if isinstance(root, Path):
            closure[root.name] = root
            queue.extend(_imports(root, ""))
        elif module_path(root) is None:
            raise ModuleNotFoundError(f"no module {root}")
        else:
            queue.append(root)
    while queue:
        name = queue.pop()
        path = module_path(name)
        if name in closure or path is None:
            continue
        closure[name] = path
        parent = name.rpartition(".")[0]
        if parent:
            queue.append(parent)
        queue.extend(_imports(path, name))
    return closure


def code_hash(roots: Iterable[Root]) -> str:
    """sha256 of what the import closure of the roots does (see the module's docstring)."""
    closure = import_closure(roots)
    return config_hash({name: _text_hash(path.read_bytes()) for name, path in closure.items()})


def training_code_hash(settings: Mapping[str, Any]) -> str:
    """Code hash of the runs of a job, from its plain settings."""
    return code_hash(training_modules(settings).values())


def training_modules(settings: Mapping[str, Any]) -> dict[str, str]:
    """The engine of a job and the modules that it loads by name, by the key that names them."""
    engine = settings["engine"]
    named = settings_classes()[engine].modules(settings)
    return named | {"engine": engine_module(engine)}


def config_hash(settings: Any) -> str:
    """sha256 of the canonical JSON of plain settings; keys are sorted, NaN is an error."""
    return hashlib.sha256(canonical_json(settings).encode()).hexdigest()


def canonical_json(settings: Any) -> str:
    """JSON text that is equal for equal settings, whatever the order of their keys."""
    return json.dumps(settings, sort_keys=True, separators=(",", ":"), allow_nan=False)


# Cached by content, not by path: a file may be edited while a notebook holds this module.
@cache
def syntax_tree(source: bytes) -> ast.Module:
    """The syntax tree of a source text."""
    return ast.parse(source)


def write_stamp(path: str | Path, text: str) -> bool:
    """Write a stamp atomically, only when its text differs; True when it was written.

    A stamp whose text has not changed keeps its time, so that Snakemake reruns nothing.
    """
    path = Path(path)
    try:
        if path.read_text() == text:
            return False
    except OSError:
        pass
    with replacing(path) as temporary:
        temporary.write_text(text)
    return True


@cache
def _text_hash(source: bytes) -> str:
    return hashlib.sha256(_dump(syntax_tree(source)).encode()).hexdigest()


def _imports(path: Path, name: str) -> tuple[str, ...]:
    """Modules of `regimes` imported anywhere in a source file, also inside functions."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return _imported(path.read_bytes(), package)


@cache
def _imported(source: bytes, package: str) -> tuple[str, ...]:
    """Modules of `regimes` that a source text in some package imports."""
    found: list[str] = []
    for node in _walk(syntax_tree(source)):
        if isinstance(node, ast.Import):
            found.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join([*parts, base] if base else parts)
            found.append(base)
            # `from regimes.x import y`: y may be a module. What is none is dropped later.
            found.extend(f"{base}.{alias.name}" for alias in node.names)
    return tuple(module for module in found if module.split(".")[0] == PACKAGE_NAME)


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a syntax tree, but for what only type checkers see."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if not _is_for_type_checkers(child):
            yield from _walk(child)


def _is_for_type_checkers(node: ast.AST) -> bool:
    """Whether a statement is `if TYPE_CHECKING:`, without an `else`."""
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=[]):
            return True
        case _:
            return False


_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_IGNORED_FIELDS = {"type_comment", "kind", "type_ignores"}


def _dump(node: Any) -> str:
    """Canonical text of a syntax tree, without docstrings and positions.

    Not `ast.dump`: its text differs between Python versions (empty lists and None are shown by
    some and left out by others), and a result must not depend on the Python that planned it.
    """
    if isinstance(node, ast.Constant):
        return f"Constant({type(node.value).__name__}:{node.value!a})"
    if isinstance(node, ast.AST):
        fields = []
        for field, value in ast.iter_fields(node):
            if field in _IGNORED_FIELDS:
                continue
            if field == "body" and isinstance(node, _WITH_DOCSTRING):
                value = _without_docstring(value)
            if value is None or value == []:
                continue
            fields.append(f"{field}={_dump(value)}")
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(_dump(item) for item in node if not _is_for_type_checkers(item))}]"
    return ascii(node)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
        case _:
            return body
