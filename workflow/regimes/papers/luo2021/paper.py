"""The sizes of Luo et al. (2021), and the names that its experiments have here."""

PHASE_DIAGRAM = "phase_diagram"
PHASE_DIAGRAM_MNIST = "phase_diagram_mnist"
# Families of scalings with the same kappa and kappa'.
FAMILIES = ("growth_unit", "growth_inverse_root", "growth_inverse")
CONDENSATION = "condensation"
CONDENSATION_MNIST = "condensation_mnist"
CONSERVATION = "conservation"
ALONG_THE_FLOW = "along_the_flow"
TYPICAL_CASES = "typical_cases"
TYPICAL_CASES_OTHER_POINTS = "typical_cases_other_points"

# Widths of the phase diagrams, Figures 4 and 5, by what was learned.
FOUR_POINTS, MNIST = "four_points", "mnist"
WIDTHS = {
    FOUR_POINTS: (1000, 5000, 10_000, 20_000, 40_000),
    # The caption of Figure 5 lists 40 000 last.
    MNIST: (1000, 10_000, 40_000, 50_000, 250_000),
}
# Widths of the condensation maps, Figures 6 and 7.
CONDENSATION_WIDTHS = {
    FOUR_POINTS: (1000, 10_000, 1_000_000),
    MNIST: (1000, 10_000, 250_000),
}
# Width of the typical cases, Figure 2.
TYPICAL_WIDTH = 1000
