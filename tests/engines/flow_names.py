"""Names of the variables of gradient flow's runs."""

from regimes.engines.common.observation import measured_variables
from regimes.engines.gradient_flow.engine import Runs

# What is measured where the loss falls to levels, at test points or because it was asked for; and
# what every run has.
MEASURED = measured_variables("record").keys() - {
    "final_relative_distance_w",
    "final_relative_distance_a",
}
LONG_NAMES = [
    name
    for name, one in Runs.VARIABLES.items()
    if set(one.dims) <= {"checkpoint"} and name not in MEASURED
]
