"""How large data sets are, from which the memory of jobs is estimated. No data are made of this."""

from dataclasses import dataclass
from pathlib import Path

NETCDF = (".nc", ".nc4", ".netcdf")


@dataclass(frozen=True)
class DataSize:
    """Size of a data set: `draws` times n_points points, of which n_train are for training.

    number_bytes: of a number of the inputs in memory.
    """

    n_train: int
    n_points: int
    n_features: int
    n_outputs: int = 1
    draws: int = 1
    number_bytes: int = 8

    @property
    def n_test(self) -> int:
        """Number of points that are not for training."""
        return self.n_points - self.n_train

    @property
    def bytes(self) -> int:
        """What inputs and targets take in memory."""
        point = self.n_features * self.number_bytes + self.n_outputs * 8
        return self.draws * self.n_points * point


def table_size(path: str | Path) -> tuple[int, int]:
    """Rows and columns of a CSV file with a header, or of the variables of a NetCDF file.

    (0, 0) for a file that is neither: the job that reads it says what is wrong.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() in NETCDF:
        return _netcdf_size(path)
    with path.open("rb") as file:
        columns = file.readline().count(b",") + 1
        return sum(1 for _ in file), columns


def _netcdf_size(path: Path) -> tuple[int, int]:
    # Imported late: few configs have such files.
    import netCDF4

    try:
        with netCDF4.Dataset(path) as file:
            shapes = [one.shape for one in file.variables.values() if one.ndim in (1, 2)]
    except OSError:
        return 0, 0
    # A variable over two dimensions has a column for each index of the second.
    columns = sum(shape[1] if len(shape) == 2 else 1 for shape in shapes)
    return max((shape[0] for shape in shapes), default=0), columns
