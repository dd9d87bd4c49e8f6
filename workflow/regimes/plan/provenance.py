"""Hashes of code and settings, and the stamps that tell Snakemake when either has changed.

The code of a stage is the import closure of the modules that do its work: every module of `regimes`
that these import, anywhere in their text, read from the source without running it. Only what the
code does counts: comments, docstrings, layout, imports for type checkers alone and file times do
not. The code of a run is that of its engine and of the modules that the engine loads by name. What
starts a job, reads and writes its files and goes on from its states is no part of it.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from regimes.errors import StoreError
from regimes.storage.atomic import replacing
from regimes.storage.failures import one_line

PACKAGE = Path(__file__).resolve().parents[1]
PACKAGE_NAME = PACKAGE.name


class Sources:
    """The source files of `regimes`, each looked for and read once."""

    def __init__(self) -> None:
        self._paths: dict[str, Path | None] = {}
        self._texts: dict[Path, bytes] = {}
        self._imports: dict[str, list[str]] = {}

    def path(self, module: str) -> Path | None:
        """Source file of a dotted module (`__init__.py` for a package), None if absent."""
        if module not in self._paths:
            self._paths[module] = _source_file(module)
        return self._paths[module]

    def text(self, path: Path) -> bytes:
        """Content of a source file."""
        if path not in self._texts:
            self._texts[path] = path.read_bytes()
        return self._texts[path]

    def imports(self, module: str, path: Path) -> list[str]:
        """Modules of `regimes` that a module imports.

        A package's `__init__` is among those of each of its modules, since importing these runs it.
        """
        if module not in self._imports:
            parent = module.rpartition(".")[0]
            package = module if path.name == "__init__.py" else parent
            found = dict.fromkeys([parent, *_imported(self.text(path), package)])
            self._imports[module] = [one for one in found if self.path(one) is not None]
        return self._imports[module]


_fixed: Sources | None = None


@contextmanager
def fixed_sources() -> Iterator[None]:
    """Take the sources as they are for a whole block, so that a plan sees one state of the code.

    Outside of such blocks each function of this module reads the sources anew.
    """
    global _fixed
    outer, _fixed = _fixed, _fixed or Sources()
    try:
        yield
    finally:
        _fixed = outer


def sources() -> Sources:
    """The sources of the present block of `fixed_sources`, else the present ones."""
    return _fixed or Sources()


def module_path(name: str) -> Path | None:
    """Source file of a dotted module of `regimes` (`__init__.py` for a package), None if absent."""
    return sources().path(name)


def import_closure(roots: Iterable[str]) -> dict[str, Path]:
    """All sources that some modules import, directly or not, these modules included.

    Returns a mapping from dotted module name to source file.
    Raises ModuleNotFoundError for a root that does not exist.
    """
    known = sources()
    closure: dict[str, Path] = {}
    queue = list(roots)
    while queue:
        name = queue.pop()
        if name in closure:
            continue
        path = known.path(name)
        if path is None:  # of imports only those are listed that exist
            raise ModuleNotFoundError(f"no module {name}")
        closure[name] = path
        queue.extend(known.imports(name, path))
    return closure


def code_hash(roots: Iterable[str]) -> str:
    """sha256 of what the import closure of the roots does (see the module's docstring)."""
    with fixed_sources():
        text = sources().text
        return config_hash({k: _text_hash(text(path)) for k, path in import_closure(roots).items()})


def fingerprint() -> str:
    """sha256 of the text of the whole package, comments included: quick to compute and compare."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


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
    Raises StoreError, with the reason, when the system refuses.
    """
    path = Path(path)
    try:
        if path.is_file() and path.read_bytes() == text.encode():
            return False
        with replacing(path) as temporary:
            temporary.write_text(text)
    except OSError as error:
        raise StoreError(one_line(error, path, "written")) from error
    return True


@cache
def _text_hash(source: bytes) -> str:
    return hashlib.sha256(_dump(syntax_tree(source)).encode()).hexdigest()


def _source_file(module: str) -> Path | None:
    parts = module.split(".")
    if parts[0] != PACKAGE_NAME or not all(part.isidentifier() for part in parts):
        return None
    base = PACKAGE.joinpath(*parts[1:])
    for candidate in (base / "__init__.py", base.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


@cache
def _imported(source: bytes, package: str) -> tuple[str, ...]:
    """Modules of `regimes` that a source text in some package imports."""
    found: list[str] = []
    for node in _statements(syntax_tree(source)):
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


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """The statements of a syntax tree, but for what only type checkers see."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        children = getattr(node, field, ())
        # Of an expression, such as a lambda, the body is one expression.
        for child in children if isinstance(children, list) else ():
            if not _is_for_type_checkers(child):
                if isinstance(child, ast.stmt):
                    yield child
                yield from _statements(child)


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
    if isinstance(node, list):
        return f"[{','.join([_dump(item) for item in node if not _is_for_type_checkers(item)])}]"
    if isinstance(node, ast.Constant):
        return f"Constant({type(node.value).__name__}:{node.value!a})"
    if not isinstance(node, ast.AST):
        return ascii(node)
    kind = type(node)
    fields = []
    for field in kind._fields:
        value = getattr(node, field, None)
        if value is None or value == [] or field in _IGNORED_FIELDS:
            continue
        if field == "body" and isinstance(node, _WITH_DOCSTRING):
            value = _without_docstring(value)
            if not value:
                continue
        fields.append(f"{field}={_dump(value)}")
    return f"{kind.__name__}({','.join(fields)})"


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
        case _:
            return body
