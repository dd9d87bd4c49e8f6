"""Checks that the modules that a config names are there and take what they are given."""

from regimes.config.models import Config
from regimes.errors import ConfigError
from regimes.plan.declared import arguments_of, constants
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
            place = config.place(f"experiments.{name}")
            raise ConfigError(f"{place}: experiments.{name}: {error}") from None
        module = f"regimes.papers.{experiment.measure}"
        _check_module(config, f"experiments.{name}.measure", module)
    for name, figure in config.figures.items():
        _check_module(config, f"figures.{name}.plot", f"regimes.papers.{figure.plot}")
        for function in ("draw", "table") if figure.table else ("draw",):
            _check_arguments(config, name, function)
        _check_measures(config, name)


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


def _check_arguments(config: Config, name: str, function: str) -> None:
    """Raise ConfigError unless a figure's module has a function that takes its arguments."""
    key, plot = f"figures.{name}", config.figures[name].plot
    given = config.figures[name].arguments
    taken = arguments_of(f"regimes.papers.{plot}", function)
    if taken is None:
        raise ConfigError(
            f"{config.place(f'{key}.plot')}: {key}.plot = {plot!r}: the module has no function "
            f"{function}"
        )
    unknown = [name for name in given if name not in taken]
    missing = [name for name, one in taken.items() if one.needed and name not in given]
    for name, what in [(name, "unknown") for name in unknown] + [(m, "missing") for m in missing]:
        argument = f"{key}.arguments.{name}"
        raise ConfigError(
            f"{config.place(argument)}: {argument} is {what}: {plot}.{function} takes "
            f"{', '.join(taken) or 'none'}"
        )
    for name, value in given.items():
        allowed = taken[name].allowed
        # 1 == True, and neither stands for the other in a file.
        if allowed and (type(value), value) not in [(type(one), one) for one in allowed]:
            argument = f"{key}.arguments.{name}"
            raise ConfigError(
                f"{config.place(argument)}: {argument} = {value!r}; allowed: "
                f"{', '.join(str(one) for one in allowed)}"
            )


def _check_measures(config: Config, name: str) -> None:
    """Raise ConfigError unless a figure has the measures that its module declares.

    `TAKES`: those of one experiment, by one of these modules; `EACH`: those of any experiments, all
    by these modules; `NEEDS`: those of these experiments.
    """
    figure = config.figures[name]
    declared = constants(f"regimes.papers.{figure.plot}")
    takes, needs = declared.get("TAKES"), declared.get("NEEDS", ())
    key = f"figures.{name}.measures"
    said = f"{config.place(key)}: {key} = [{', '.join(figure.measures)}]: {figure.plot}"
    if missing := [one for one in needs if one not in figure.measures]:
        raise ConfigError(f"{said} needs {', '.join(missing)} too")
    if takes is not None and len(figure.measures) != 1:
        raise ConfigError(f"{said} draws one experiment")
    takes = takes or declared.get("EACH")
    if takes is None:
        return
    for measure in (config.experiments[name].measure for name in figure.measures):
        if measure not in takes:
            raise ConfigError(f"{said} draws what {' or '.join(takes)} measures, not {measure}")
