"""Hashes of code and settings, and the stamps that tell Snakemake when either has changed.

The code of a stage is the import closure of the modules that do its work: every module of `regimes`
that these import, anywhere in their text, read from the source without running it. Only what the
code does counts: comments, docstrings, layout, imports for type checkers alone and file times do
not. The code of a run is that of its engine and of the modules that the engine loads by name. What
starts a job, reads and writes its files and goes on from its states is no part of it.

Code of the user's own is a root by the path of its file, `measures.py`, with the modules in that
file's folder that it imports; `measures.py:rise` is that without the functions of the file that
`rise` does not reach, so that functions that share a file change one by one.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from regimes.config.own_code import companions, is_own, split
from regimes.errors import ConfigError, StoreError
from regimes.storage.atomic import replacing
from regimes.storage.failures import one_line

PACKAGE = Path(__file__).resolve().parents[1]
PACKAGE_NAME = PACKAGE.name


class Sources:
    """The source files of `regimes` and of the user's own, each looked for and read once."""

    def __init__(self) -> None:
        self._paths: dict[str, Path | None] = {}
        self._texts: dict[Path, bytes] = {}
        self._imports: dict[tuple[str, Path | None], list[str]] = {}

    def path(self, module: str) -> Path | None:
        """Source file of a dotted module (`__init__.py` for a package), None if absent.

        Own code, which is named by its path, has the file of that path.
        """
        if module not in self._paths:
            self._paths[module] = _source_file(module)
        return self._paths[module]

    def text(self, path: Path) -> bytes:
        """Content of a source file."""
        if path not in self._texts:
            self._texts[path] = path.read_bytes()
        return self._texts[path]

    def imports(self, module: str, path: Path, folder: Path | None = None) -> list[str]:
        """Modules of `regimes`, and of a folder of own code, that a module imports.

        A package's `__init__` is among those of each of its modules, since importing these runs it.
        Raises ConfigError for own code that is no Python.
        """
        if (module, folder) not in self._imports:
            name = module if folder is None else dotted(module, folder)
            parent = name.rpartition(".")[0]
            package = name if path.name == "__init__.py" else parent
            tree = tree_of(module, self.text(path))
            found = dict.fromkeys([parent, *_imported(tree, package)])
            modules = [one if folder is None else _beside(one, folder) for one in found]
            self._imports[module, folder] = [one for one in modules if self.path(one) is not None]
        return self._imports[module, folder]


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

    Returns a mapping from module name, dotted or that of own code, to source file.
    Raises ModuleNotFoundError for a root that does not exist.
    """
    known = sources()
    closure: dict[str, Path] = {}
    # With the folder from which own code imports.
    queue = [(root, Path(split(root)[0]).parent if is_own(root) else None) for root in roots]
    while queue:
        name, folder = queue.pop()
        if name in closure:
            continue
        path = known.path(name)
        if path is None:  # of imports only those are listed that exist
            raise ModuleNotFoundError(f"no module {name}")
        closure[name] = path
        inside = folder if is_own(name) else None
        queue.extend((one, folder) for one in known.imports(name, path, inside))
    return closure


def own_files(roots: Iterable[str]) -> list[str]:
    """Paths of the files of own code in the import closure of the roots, in order."""
    return sorted({split(name)[0] for name in import_closure(roots) if is_own(name)})


def code_hash(roots: Iterable[str]) -> str:
    """sha256 of what the import closure of the roots does (see the module's docstring)."""
    with fixed_sources():
        text = sources().text
        return config_hash(
            {name: _hash_of(name, text(path)) for name, path in import_closure(roots).items()}
        )


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


def tree_of(module: str, source: bytes) -> ast.Module:
    """The syntax tree of a module: of a function of own code, without what it does not reach.

    Raises ConfigError, with the line, for own code that is no Python.
    """
    if not is_own(module):
        return syntax_tree(source)
    file, function = split(module)
    try:
        return reached(source, function) if function else syntax_tree(source)
    except SyntaxError as error:
        raise ConfigError(f"{file}, line {error.lineno}: {error.msg}") from None
    except ValueError as error:  # bytes that no text has
        raise ConfigError(f"{file}: {error}") from None


@cache
def reached(source: bytes, function: str) -> ast.Module:
    """The tree of a text without the functions that one of them does not reach by their names.

    Only plain functions of the top level are left out. Those that go with the function, such as
    its `<function>_table`, stay.
    """
    tree = syntax_tree(source)
    functions = {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.decorator_list
    }
    kept = {name for name in functions if name == function or name in companions(function)}
    plain = list(functions.values())
    queue: list[ast.AST] = [node for node in tree.body if node not in plain]
    queue += [functions[name] for name in kept]
    while queue:
        for node in ast.walk(queue.pop()):
            # A text may be the argument of getattr.
            name = node.id if isinstance(node, ast.Name) else getattr(node, "value", None)
            if isinstance(name, str) and name in functions and name not in kept:
                kept.add(name)
                queue.append(functions[name])
    body = [node for node in tree.body if node not in plain or node.name in kept]
    return ast.Module(body=body, type_ignores=[])


def dotted(module: str, folder: Path) -> str:
    """The name by which modules in a folder of own code import another one."""
    path = Path(split(module)[0]).relative_to(folder)
    parts = path.parent.parts if path.name == "__init__.py" else path.with_suffix("").parts
    return ".".join(parts)


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


def _hash_of(module: str, source: bytes) -> str:
    if not is_own(module):
        return _text_hash(source)
    return hashlib.sha256(_dump(tree_of(module, source)).encode()).hexdigest()


@cache
def _text_hash(source: bytes) -> str:
    return hashlib.sha256(_dump(syntax_tree(source)).encode()).hexdigest()


def _source_file(module: str) -> Path | None:
    if is_own(module):
        path = Path(split(module)[0])
        return path if path.is_file() else None
    parts = module.split(".")
    if parts[0] != PACKAGE_NAME or not all(part.isidentifier() for part in parts):
        return None
    return _module_at(PACKAGE.joinpath(*parts[1:]))


def _beside(module: str, folder: Path) -> str:
    """A module that own code imports, by its path if it is one of that code's folder."""
    path = _module_at(folder.joinpath(*module.split("."))) if module else None
    return path.as_posix() if path else module


def _module_at(base: Path) -> Path | None:
    for candidate in (base / "__init__.py", base.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


@cache
def _imported(tree: ast.Module, package: str) -> tuple[str, ...]:
    """Modules that a source text in some package imports."""
    found: list[str] = []
    for node in _statements(tree):
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
    return tuple(found)


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
