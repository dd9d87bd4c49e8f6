"""Types of the public names, which `__init__.py` loads when they are asked for.

A file of its own, since code in `__init__.py` is part of the hash of every run.
"""

from regimes.api import catalog as catalog
from regimes.api import describe as describe
from regimes.api import open as open
from regimes.api import simulate as simulate

__version__: str
