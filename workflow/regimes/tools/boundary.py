"""Search the boundary between the linear and the condensed regime on a data set of the config.

At each gamma' networks are trained at several widths and seeds until the zero of S_w along gamma
(equation (19) of Luo et al., 2021) has the standard error that is wanted. Nothing is written; the
same with files and a figure: snakemake figures/boundary_DATASET.pdf. For example:

    regimes boundary four_point --gamma-prime -0.5 0 0.5
"""

import argparse
import warnings
from pathlib import Path

import numpy as np

SUMMARY = "where the boundary of the regimes lies on a data set"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data set, the values of gamma', and some settings of the search."""
    parser.add_argument("dataset", help="a data set of the config")
    parser.add_argument("--gamma-prime", type=float, nargs="+", default=[0.0], metavar="NUMBER")
    parser.add_argument("--activation", default="relu")
    parser.add_argument("--standard-error", type=float, default=0.005, metavar="NUMBER")
    parser.add_argument("--widths", type=int, nargs="+", metavar="WIDTH")
    parser.add_argument("--directory", type=Path, help="that of config.yaml")
    parser.add_argument("--configfile", type=Path, metavar="FILE", help="as for snakemake")


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each gamma'."""
    from regimes.api import boundary

    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}")
    found = boundary(
        arguments.dataset,
        gamma_prime=arguments.gamma_prime,
        activation=arguments.activation,
        standard_error=arguments.standard_error,
        directory=arguments.directory,
        configfile=arguments.configfile,
        **({"widths": arguments.widths} if arguments.widths else {}),
    )
    print("gamma'   gamma*            theory  networks")
    for gamma_prime in arguments.gamma_prime:
        line = found.sel(gamma_prime=gamma_prime)
        value, error, theory = (
            float(line[name])
            for name in ("boundary_gamma", "boundary_gamma_stderr", "theory_boundary_gamma")
        )
        text = f"{value:.4f} +- {error:.4f}" if np.isfinite(value) else "none found"
        print(f"{gamma_prime:<7g}  {text:<16}  {theory:<6g}  {int(line['n_networks'])}")
    return 0
