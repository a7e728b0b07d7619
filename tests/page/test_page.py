"""The live page in a real browser against the real programs (page.mjs looks, this runs them).

Screenshots for the documentation are taken only when asked for:
  FRESHET_SHOTS=docs/images python3 -m pytest tests/page
"""

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

from freshet import Depot, wait_until  # noqa: E402
from freshet.depot import GATEWAY  # noqa: E402
from freshet.process import run  # noqa: E402


def lose_something(depot):
    """Without a broker batches pile up, an operator gives them up, and the core hears of it."""
    depot.broker.kill()
    wait_until(lambda: depot.agent.status()["spool"]["batches"] >= 3, 20, "batches that wait")
    run([depot.agent.exe, "spool", "drop", "--all", "--yes", "-c", depot.agent.conf])
    depot.broker.restart()
    wait_until(lambda: {gap["reason"] for gap in depot.core.get("/gaps")["items"]} == {"operator"}, 20,
               "the gap and its reason")


def test_the_page_shows_the_depot_live():
    vehicles = 12 if os.environ.get("FRESHET_SHOTS") else 6
    shots = os.environ.get("FRESHET_SHOTS")
    with Depot(vehicles=vehicles, sim_options=("--odometer-step", "1")) as depot:
        # Long enough that a busy machine keeps vehicles healthy, short enough not to wait.
        depot.start_base(policy={"freshness_target_s": 5, "stale_threshold_s": 8})
        depot.add_agent(GATEWAY, depot.sim.vehicles,
                        {"period": "1 s", "signals": "speed_kmh odometer_km:1s aux_battery_v state_of_charge_pct:1s"
                                                     " fuel_level_pct:1s"},
                        {"batch": {"heartbeat": "2 s"}, "mqtt": {"status_interval": "1 s"}}).start()
        depot.wait_healthy()
        lose_something(depot)
        depot.wait_healthy()
        given = {"link": depot.core.cli("token", "link").split()[-1],
                 "vehicles": [vehicle["vehicle"] for vehicle in depot.sim.vehicles],
                 "fault": [str(depot.sim.exe), "fault", "--control", str(depot.sim.control)],
                 "shots": str(Path(shots).resolve()) if shots else None}
        done = subprocess.run(["node", str(HERE / "page.mjs"), json.dumps(given)], timeout=150,
                              capture_output=True, text=True, check=False)
        print(done.stdout, done.stderr)
        depot.check_alive()
        assert done.returncode == 0, done.stdout + done.stderr
