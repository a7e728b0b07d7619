"""The link returns after an outage: live values first, the backlog after them, complete and in order."""

import time

import pytest

from freshet.outage import Outage, depot_of, quantile


@pytest.mark.parametrize("rebooted", [False, True], ids=["the same boot", "a boot later"])
def test_after_an_outage_live_values_come_at_once_and_the_backlog_whole(rebooted):
    with depot_of(10) as depot:
        outage = Outage(depot, 10, 30, rebooted)
        outage.prepare()
        outage.reconnect(60)
        # A busy machine has twice the second that is meant.
        assert outage.live_s < 2
        until = time.monotonic() + 3
        while time.monotonic() < until:
            depot.check_alive()
            time.sleep(0.1)
        during, after = outage.latencies()
        assert len(after) >= 10
        assert quantile(during + after, 0.5) < 1
        assert depot.agent.stop() == 0
        outage.check()
        outage.link.close()
