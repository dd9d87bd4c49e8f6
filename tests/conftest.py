"""What all tests share."""

import os

# The tensors of the tests are small: a second thread would only cost time. Read by torch when it
# is imported, which happens after this file.
os.environ.setdefault("OMP_NUM_THREADS", "1")
