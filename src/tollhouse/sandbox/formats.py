"""How texts are written that mean something, wherever they come from."""

from __future__ import annotations

import re
from typing import Final

ADDRESS: Final = ("city", "country", "line1", "line2", "postal_code", "state")  # the fields of one
EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+\Z")
DIGITS: Final = re.compile(r"[0-9]+\Z")  # of ASCII: other scripts' are no number of a card
INTEGER: Final = re.compile(r"-?[0-9]{1,18}\Z")
