"""Checks that the modules that a config names are there and take what they are given."""

from collections.abc import Mapping
from typing import Any

from regimes.config.models import Config
from regimes.errors import ConfigError
from regimes.plan.declared import arguments_of
from regimes.plan.provenance import module_path
from regimes.plan.settings import training_modules, training_settings


def check_modules(config: Config) -> None:
    """Raise ConfigError, naming the key, for a module that is missing or cannot do its work."""
    for name, dataset in config.datasets.items():
        _check_module(config, f"datasets.{name}.kind", f"regimes.datasets.{dataset.kind}")
    for name, experiment in config.experiments.items():
        for key, module in training_modules(training_settings(name, config)).items():
            _check_module(config, f"experiments.{name}.{key}", module)
        try:
            experiment.check()
        except ConfigError as error:
            raise ConfigError(f"{error} (experiment {name})") from None
        module = f"regimes.papers.{experiment.measure}"
        _check_module(config, f"experiments.{name}.measure", module)
    for name, figure in config.figures.items():
        _check_module(config, f"figures.{name}.plot", f"regimes.papers.{figure.plot}")
        for function in ("draw", "table") if figure.table else ("draw",):
            _check_arguments(f"figures.{name}", figure.plot, function, figure.arguments)


def _check_module(config: Config, key: str, module: str) -> None:
    """Raise ConfigError, with the modules beside it, unless a module exists."""
    if module_path(module) is not None:
        return
    package = module_path(module.rpartition(".")[0])
    siblings = []
    if package is not None:
        siblings = sorted(path.stem for path in package.parent.glob("[a-z]*.py"))
    allowed = f"; allowed: {', '.join(siblings)}" if siblings else ""
    raise ConfigError(
        f"{config.place(key)}: {key} = {module.rpartition('.')[2]!r}: there is no module "
        f"{module}{allowed}"
    )


def _check_arguments(key: str, plot: str, function: str, given: Mapping[str, Any]) -> None:
    """Raise ConfigError unless a figure's module has a function that takes its arguments."""
    taken = arguments_of(f"regimes.papers.{plot}", function)
    if taken is None:
        raise ConfigError(f"config: {key}.plot = {plot!r}: the module has no function {function}")
    unknown = [name for name in given if name not in taken]
    missing = [name for name, one in taken.items() if one.needed and name not in given]
    for name, what in [(name, "unknown") for name in unknown] + [(m, "missing") for m in missing]:
        raise ConfigError(
            f"config: {key}.arguments.{name} is {what}: {plot}.{function} takes "
            f"{', '.join(taken) or 'none'}"
        )
    for name, value in given.items():
        allowed = taken[name].allowed
        # 1 == True, and neither stands for the other in a file.
        if allowed and (type(value), value) not in [(type(one), one) for one in allowed]:
            raise ConfigError(
                f"config: {key}.arguments.{name} = {value!r}; allowed: "
                f"{', '.join(str(one) for one in allowed)}"
            )
