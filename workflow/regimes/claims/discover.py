"""The claims that a paper's modules declare."""

from importlib import import_module

from regimes.claims.core import Claim, declared_in
from regimes.plan.parts import modules_with


def claims_of(paper: str) -> list[Claim]:
    """The claims of a paper, a folder below regimes.papers, in the order of their ids."""
    return declared_in(*map(import_module, modules_with("claims").get(paper, ())))
