"""Names and sizes of the lab's experiments."""

FLOW = "lab_flow"
DESCENT = "lab_descent"
PARITY = "lab_parity"
SINGLE_INDEX = "lab_single_index"
SHARPNESS = "lab_sharpness"
# Widths below which figures are marked, and claims are not judged.
GROWTH_WIDTH = 1000
PLANE_WIDTH = 1000
