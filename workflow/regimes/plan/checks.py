"""Checks that the modules that a config names are there and take what they are given."""

import ast
import sys
import sysconfig
from collections.abc import Mapping
from importlib.machinery import PathFinder
from pathlib import Path

from regimes.config.models import Config
from regimes.config.own_code import function_name, is_own, module_named, split
from regimes.errors import ConfigError
from regimes.plan.declared import arguments_of, constants, functions_of
from regimes.plan.provenance import dotted, import_closure, module_path
from regimes.plan.settings import training_modules, training_settings

# Folders of installed packages.
PACKAGES = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]


def check_modules(config: Config) -> None:
    """Raise ConfigError, naming the key, for a module that is missing or cannot do its work."""
    for name, dataset in config.datasets.items():
        _check_module(config, f"datasets.{name}.kind", f"regimes.datasets.{dataset.kind}")
    for name, own in config.activations.items():
        if is_own(own):
            check_own(config, f"activations.{name}", own, {"activation": "(z)"})
    for name, paper in config.papers.items():
        if paper.claims:
            check_own(config, f"papers.{name}.claims", paper.claims, {})
    for name, experiment in config.experiments.items():
        for key, module in training_modules(training_settings(name, config)).items():
            _check_module(config, f"experiments.{name}.{key}", module)
        try:
            experiment.check()
        except ConfigError as error:
            place = config.place(f"experiments.{name}")
            raise ConfigError(f"{place}: experiments.{name}: {error}") from None
        _check_numbers(config, name)
        key, module = f"experiments.{name}.measure", module_named(experiment.measure)
        if is_own(module):
            check_own(config, key, experiment.measure, {"measure": "(runs, data)"})
        else:
            _check_module(config, key, module)
    for name, figure in config.figures.items():
        key, module = f"figures.{name}.plot", module_named(figure.plot)
        calls = {"draw": "(measures, scale)"}
        calls |= {"table": "(measures)"} if figure.table else {}
        if is_own(module):
            check_own(config, key, figure.plot, calls, arguments=True)
        else:
            _check_module(config, key, module)
        for function in calls:
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


def check_own(
    config: Config, key: str, named: str, calls: Mapping[str, str], *, arguments: bool = False
) -> None:
    """Raise ConfigError, naming the key, unless own code is there and can be called.

    named: the code, as the config names it. calls: how its functions are called, such as
    {"measure": "(runs, data)"}. arguments: whether they may take keywords too. Raises ConfigError,
    naming the file and the line, for code that is no Python.
    """
    module = module_named(named)
    file = split(module)[0]
    said = f"{config.place(key)}: {key} = {named!r}"
    if module_path(file) is None:
        raise ConfigError(
            f"{said}: there is no file {file} in {Path.cwd()}: relative paths count from there"
        )
    for name in filter(is_own, import_closure([file])):
        top = dotted(name, Path(file).parent).partition(".")[0]
        if top in sys.stdlib_module_names or PathFinder.find_spec(top, PACKAGES):
            raise ConfigError(
                f"{said}: {name} has the name of a module that is installed, {top}: rename the file"
            )
    there = functions_of(file)
    for name, call in calls.items():
        function = function_name(module, name)
        if function not in there:
            raise ConfigError(
                f"{said}: {file} has no function {function}, which is called as "
                f"{function}{call}; it has {', '.join(there) or 'none'}"
            )
        taken, number = there[function].args, call.count(",") + 1
        most = len(taken.posonlyargs) + len(taken.args)
        names = [one.arg for one in (*taken.posonlyargs, *taken.args)]
        needed = names[: most - len(taken.defaults)][number:]
        if not arguments:
            pairs = zip(taken.kwonlyargs, taken.kw_defaults, strict=True)
            needed += [one.arg for one, default in pairs if default is None]
        if needed or (most < number and taken.vararg is None):
            raise ConfigError(
                f"{said}: {file}, line {there[function].lineno}: {function} must be callable as "
                f"{function}{call}, but is {function}({ast.unparse(taken)})"
            )


def _check_numbers(config: Config, name: str) -> None:
    """Raise ConfigError unless an own activation has what the engine of an experiment needs."""
    experiment = config.experiments[name]
    activation = getattr(experiment, "activation", None)
    own = config.activations.get(activation or "", "")
    if not (experiment.takes_numbers and is_own(own)):
        return
    module = module_named(own)
    function = function_name(module, "numbers")
    if function not in functions_of(module):
        key = f"experiments.{name}.activation"
        raise ConfigError(
            f"{config.place(key)}: {key} = {activation!r}: engine {experiment.name()} needs a "
            f"function {function}(z) in {split(module)[0]} too, which returns act, act' and act'' "
            "of a number, by Python's math alone"
        )


def _check_arguments(config: Config, name: str, function: str) -> None:
    """Raise ConfigError unless a figure's module has a function that takes its arguments."""
    key, plot = f"figures.{name}", config.figures[name].plot
    given = config.figures[name].arguments
    module = module_named(plot)
    function = function_name(module, function)
    taken = arguments_of(module, function)
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
            f"{config.place(argument)}: {argument} is {what}: "
            f"{plot if is_own(plot) else f'{plot}.{function}'} takes {', '.join(taken) or 'none'}"
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
    declared = constants(module_named(figure.plot))
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
