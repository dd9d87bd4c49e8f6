"""The experiments of Section 4 of Razborov (2022): their names here, and their sizes."""

import pandas as pd

MAIN = "razborov2022"
# At the learning rate of the text where the main series needs a smaller one.
STATED_RATE = "razborov2022_stated_rate"
LABELS = ("razborov2022_low_spectrum", "razborov2022_high_spectrum")
TRACKED = ("razborov2022_random", *LABELS)
LOCAL = "razborov2022_local"
# The main series: m from 100 to 1000 in steps of S/10.
WIDTHS = (100, 200, 500, 1000)
LARGEST_N_TRAIN = 1000
# Local labels: runs by m.
LOCAL_RUNS = {1000: 20, 2000: 10}
# Other labels are looked at where the text does, at S = 100, and at this many points at least.
LABELS_WIDTH = 100
LABELS_N_TRAIN = 500


def main_series() -> pd.DataFrame:
    """Width and n_train of every cell of the main series."""
    cells = [
        (width, n_train)
        for width in WIDTHS
        for n_train in range(100, LARGEST_N_TRAIN + 1, width // 10)
    ]
    return pd.DataFrame(cells, columns=["width", "n_train"])
