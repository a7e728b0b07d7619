"""Puts the harness on the path; its folder is found from here, not from where pytest is called."""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))


def pytest_configure():
    # ctest ends a test that takes too long with SIGTERM: let it end as by Ctrl-C, with logs.
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
