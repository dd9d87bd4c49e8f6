"""Four regression sets of the UCI Machine Learning Repository, as CSV; shipped."""

from regimes.datasets.sources.source import Source

LICENCE = "CC BY 4.0"

CSV = {
    "concrete": Source(
        "uci/concrete.csv",
        "sha256:7b920f10746d13a278913ac393501ef05aa74689e4bf227863d7b85b8f2c4165",
        57_867,
        LICENCE,
    ),
    "energy": Source(
        "uci/energy.csv",
        "sha256:7045e1eaa092883d00ec2fee6a4579bcd61919b7ae909ff801779d79a54d089a",
        36_297,
        LICENCE,
    ),
    "airfoil": Source(
        "uci/airfoil.csv",
        "sha256:66cc7ca0b628f0a6e5019c91558cc493d1c4df1c12db979d601db4f316c6b28c",
        59_536,
        LICENCE,
    ),
    "power_plant": Source(
        "uci/power_plant.csv",
        "sha256:51848da3c8b8c29f709f159fad95443eaa8ff2e95c721a00bba582048cd207e4",
        309_640,
        LICENCE,
    ),
}
