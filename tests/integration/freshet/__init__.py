"""A depot for tests: the real broker, core, agent and simulator, in a fresh folder.

    with Depot(vehicles=4) as depot:
        depot.start()
        wait_until(lambda: depot.core.healthy() == 4, 20)

Ports come from the kernel, state lives in a temporary folder that is gone at the end, and every
program that was started is killed at the end, also when the test itself is.
"""

from .depot import Depot
from .process import Failure, Program, wait_until

__all__ = ["Depot", "Failure", "Program", "wait_until"]
