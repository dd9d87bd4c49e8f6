"""What the explorer shows: measures, by the module below regimes.papers that made them."""

PHASE_DIAGRAMS = ("luo2021.phase_diagram",)
CONDENSATION = ("luo2021.condensation", "luo2021.condensation_projected")
RAZBOROV = ("razborov2022.convergence", "razborov2022.spectrum", "razborov2022.both_layers")
CHEN = ("chen2022.curves", "chen2022.scalings")
CARON = ("caron2023.training", "caron2023.simulated")
SONG = ("song2021.mnist",)
SHOWN = (*PHASE_DIAGRAMS, *CONDENSATION, *RAZBOROV, *CHEN, *CARON, *SONG)

_PAPERS = "regimes.papers."


def made_by(source: str, modules: tuple[str, ...]) -> bool:
    """Whether a measure's module, with its package, is one of those above."""
    return source.removeprefix(_PAPERS) in modules
