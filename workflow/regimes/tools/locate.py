"""Say where a two-layer network lies on the phase plane of Luo et al. (2021).

f(x) = factor * sum_k a_k act(w_k . x), with standard deviations of the initial weights and learning
rates of both layers as numbers, or as laws in m (width) and d (n_features) such as "sqrt(2/m)":

    regimes locate --scheme he
    regimes locate --std-w "sqrt(1/d)" --std-a "1/m" --width 1000 --n-features 10
    regimes locate --width 500 2000 --std-w 0.3 --std-a 0.045 0.022
"""

import argparse
from pathlib import Path
from typing import Any

from regimes.errors import ConfigError

SUMMARY = "where a network lies on the phase plane"
NAMES = ("std_w", "std_a", "factor", "rate_w", "rate_a")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regimes.locate`."""
    parser.add_argument("--scheme", help="lecun, he, xavier, ntk, mean_field, unscaled or pytorch")
    parser.add_argument("--width", type=int, nargs="+", help="m, or several")
    parser.add_argument("--n-features", type=int, help="d, the fan-in")
    for name in NAMES:
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, nargs="+", help="a number, a number for each width, or a law")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it: .png, .pdf or .svg")


def run(arguments: argparse.Namespace) -> int:
    """Print the place, and draw it where that is asked for."""
    from regimes.location import locate

    given = {name: _quantity(getattr(arguments, name)) for name in NAMES}
    place = locate(
        scheme=arguments.scheme,
        width=arguments.width,
        n_features=arguments.n_features,
        **{name: value for name, value in given.items() if value is not None},
    )
    print(place)
    if arguments.plot:
        figure = place.plot().get_figure(root=True)
        assert figure is not None
        try:
            figure.savefig(arguments.plot)
        except (OSError, ValueError) as error:
            raise ConfigError(f"--plot {arguments.plot}: {error}") from None
    return 0


def _quantity(words: list[str] | None) -> Any:
    """A number, a list of numbers, or a law."""
    if words is None:
        return None
    values: list[Any] = []
    for word in words:
        try:
            values.append(float(word))
        except ValueError:
            values.append(word)
    return values[0] if len(values) == 1 else values
