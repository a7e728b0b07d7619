"""Records kept through an outage of the link, by us and by others: what ./dev bench spool measures."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "integration"))
