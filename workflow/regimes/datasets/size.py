"""How large data sets are, from which the memory of jobs is estimated. No data are made of this."""

from dataclasses import dataclass
from pathlib import Path


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
    """Rows and columns of a CSV file with a header."""
    with Path(path).open("rb") as file:
        columns = file.readline().count(b",") + 1
        return sum(1 for _ in file), columns
