"""Parts of the papers: modules that a folder of regimes.papers may have, found by name."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

PAPERS = Path(__file__).resolve().parents[1] / "papers"


def modules_with(part: str) -> dict[str, tuple[str, ...]]:
    """Dotted names of the modules of a part, by paper, of the papers that have it.

    part: such as `claims`: the module of that name, or all modules of the package of that name.
    """
    found: dict[str, tuple[str, ...]] = {}
    for folder in sorted(PAPERS.iterdir()):
        name = f"regimes.papers.{folder.name}.{part}"
        if (folder / f"{part}.py").is_file():
            found[folder.name] = (name,)
        elif (folder / part / "__init__.py").is_file():
            modules = sorted(path.stem for path in (folder / part).glob("[a-z]*.py"))
            found[folder.name] = tuple(f"{name}.{module}" for module in modules)
    return found


def load(part: str) -> dict[str, ModuleType]:
    """The modules of a part that is one module, by paper.

    Who loads a part says so in a constant `LOADS_PART`, so that the hash of its code covers it.
    """
    return {paper: import_module(name) for paper, (name,) in modules_with(part).items()}
