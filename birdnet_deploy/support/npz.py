"""What a damaged or hostile ``.npy`` or ``.npz`` makes numpy raise: every reader turns it into one clear error."""

from __future__ import annotations

import zipfile
import zlib
from tokenize import TokenError

DAMAGED = (
    OSError, ValueError, LookupError, TypeError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error,
    SyntaxError, TokenError, MemoryError,  # of numpy, which reads the header of an array as Python's own text
)  # fmt: skip
