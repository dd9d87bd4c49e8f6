"""Types of the public names, which `public.py` loads when they are asked for."""

from regimes.api import boundary as boundary
from regimes.api import catalog as catalog
from regimes.api import describe as describe
from regimes.api import open as open
from regimes.api import simulate as simulate
from regimes.location import locate as locate

__version__: str
