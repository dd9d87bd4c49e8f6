"""The claims that a paper's modules declare."""

from collections.abc import Iterable
from dataclasses import replace

from regimes.claims.core import Claim, Finding, TooSmallError, declared_in
from regimes.plan.loading import guarded, load
from regimes.plan.parts import modules_with


def claims_of(paper: str) -> list[Claim]:
    """The claims of a paper, a folder below regimes.papers, in the order of their ids."""
    return claims_in(modules_with("claims").get(paper, ()))


def claims_in(modules: Iterable[str]) -> list[Claim]:
    """The claims that some modules declare, in the order of their ids.

    What goes wrong in the functions of a file of the user's own raises OwnCodeError.
    """
    found = {
        one: replace(one, check=guarded(module, one.check, Finding, TooSmallError))
        for module in modules
        for one in declared_in(load(module))
    }
    return [found[one] for one in declared_in(*map(load, modules))]
