"""The agent's link against brokers that do not do what they should: none of it may hold up the agent,
lose a batch, or go unexplained."""

import json
import os
import signal

import pytest

from freshet import Depot, wait_until
from freshet.depot import GATEWAY, WORKSPACE
from freshet.process import free_port
from freshet.whim import Whim


# Much in little time: everything that is read is told, each record a batch of its own.
FLOOD = {"max_records": 1, "max_age": "0", "heartbeat": "100 ms", "min_interval": "0"}
OFTEN = {"period": "50 ms", "bus_load": 0}


@pytest.fixture(name="depot")
def make_depot():
    """Vehicles; there is no core."""
    with Depot(vehicles=4) as depot:
        depot.broker.port = free_port()
        depot.sim.start()
        yield depot


def start_agent(depot, port, batch=None, source=None, **mqtt):
    depot.broker.port = port
    agent = depot.add_agent(GATEWAY, depot.sim.vehicles, {"period": "200 ms", **(source or {})},
                            {"mqtt": mqtt, "batch": {"min_interval": "0", **(batch or {})}},
                            register=False)
    agent.start()
    return agent


def move_agent(depot, agent, port):
    """The broker is elsewhere from now on."""
    agent.stop()
    depot.broker.port = port
    agent.write()
    agent.start()


def uplink(agent):
    return (agent.status() or {}).get("uplink", {})


def held(agent):
    """Batches in the spool; -1 while the agent does not answer."""
    return (agent.status() or {}).get("spool", {}).get("batches", -1)


def wait_state(agent, state, deadline_s=15):
    return wait_until(lambda: uplink(agent).get("state") == state and uplink(agent), deadline_s,
                      f"the uplink is {state}", [agent])


def wait_reason(agent, reason, deadline_s=15):
    wait_until(lambda: f"reason={reason}" in agent.log(), deadline_s, f"the reason is {reason}", [agent])


def numbers(whim):
    return {(batch.header["epoch"], batch.header["batch"]) for batch in whim.batches}


def wait_batches(whim, count, agent, deadline_s=20):
    wait_until(lambda: len(numbers(whim)) >= count, deadline_s, f"{count} batches came", [agent])


@pytest.mark.parametrize("hang_up", [True, False])
def test_a_broker_without_mqtt_5_is_spoken_to_in_3_1_1(depot, hang_up):
    with Whim(versions=(4,), hang_up=hang_up) as whim:
        agent = start_agent(depot, whim.port)
        assert wait_state(agent, "online")["protocol"] == "3.1.1"
        assert [connect["version"] for connect in whim.connects] == [5, 4]
        wait_batches(whim, 3, agent)


def test_a_broker_that_hangs_up_on_everything_is_tried_in_both_versions(depot):
    with Whim(versions=(), hang_up=True) as whim:
        agent = start_agent(depot, whim.port)
        wait_until(lambda: len(whim.connects) >= 4, 15, "four logins", [agent])
        assert {connect["version"] for connect in whim.connects} == {4, 5}
        assert f"127.0.0.1:{whim.port} hung up on the login with MQTT 5" in agent.log()
        whim.versions = (4, 5)
        wait_state(agent, "online")


def test_the_session_is_clean_ends_with_the_connection_and_has_a_will(depot):
    with Whim() as whim:
        agent = start_agent(depot, whim.port, keepalive="17 s")
        wait_state(agent, "online")
        assert whim.connects == [{"version": 5, "clean": True, "will": True, "keepalive": 17,
                                  "expiry": None, "client_id": f"{WORKSPACE}/{GATEWAY}"}]


@pytest.mark.parametrize("most", [1, 3, 20])
def test_no_more_is_under_way_than_the_broker_takes(depot, most):
    agent = start_agent(depot, free_port(), FLOOD, OFTEN)
    wait_until(lambda: held(agent) >= 60, 30, "a backlog", [agent])
    with Whim(receive_maximum=most, puback_after_s=0.02) as whim:
        move_agent(depot, agent, whim.port)
        wait_batches(whim, 50, agent)
        assert whim.most_outstanding <= most
        assert most < 3 or whim.most_outstanding > 1
        assert uplink(agent)["window_batches"] <= most


def test_a_batch_that_is_too_large_for_the_broker_holds_up_no_other(depot):
    agent = start_agent(depot, free_port(), {**FLOOD, "max_age": "2 s", "max_records": 1000},
                        {**OFTEN, "period": "0"})
    wait_until(lambda: held(agent) >= 3, 30, "large batches", [agent])
    listed = json.loads(agent.cli("spool", "ls", "--json"))["items"]
    agent.stop()
    # With header and topic the largest does not pass.
    most = max(batch["bytes"] for batch in listed) + 300
    with Whim(packet_maximum=most) as whim:
        agent.settings["batch"] = {"max_records": 1, "max_age": 0}
        move_agent(depot, agent, whim.port)
        wait_batches(whim, 10, agent)
        assert whim.largest <= most
        state = uplink(agent)
        assert state["too_large"] >= 1 and state["sessions"] == 1 and state["state"] == "online"


def test_a_broker_that_does_not_answer_the_subscription_is_left(depot):
    with Whim(suback=False) as whim:
        agent = start_agent(depot, whim.port, connect_timeout="1 s")
        wait_reason(agent, "broker_stalled")
        assert "does not answer the subscription" in agent.log()
        whim.suback = True
        wait_batches(whim, 3, agent)


def test_a_broker_that_confirms_nothing_is_left(depot):
    with Whim(puback=False, ack=False) as whim:
        agent = start_agent(depot, whim.port, dead_after="2 s")
        wait_reason(agent, "broker_stalled")
        assert f"127.0.0.1:{whim.port} no longer confirms what it gets" in agent.log()
        whim.puback = whim.ack = True
        first = len(whim.batches)
        wait_until(lambda: len(whim.batches) >= first + 3, 15, "it goes on", [agent])


def test_a_broker_that_stands_still_is_left_and_found_again(depot):
    depot.broker.port = None
    depot.broker.start()
    agent = start_agent(depot, depot.broker.port, dead_after="2 s")
    wait_state(agent, "online")
    os.kill(depot.broker.pid, signal.SIGSTOP)
    wait_reason(agent, "broker_stalled")
    os.kill(depot.broker.pid, signal.SIGCONT)
    wait_state(agent, "online")


def test_a_broker_that_answers_no_ping_is_left(depot):
    with Whim(pingresp=False) as whim:
        agent = start_agent(depot, whim.port, {"max_age": "100 ms", "min_interval": "1 min",
                                               "heartbeat": "1 min"},
                            {"period": "0"}, keepalive="5 s", status_interval="1 h")
        wait_state(agent, "online")
        wait_until(lambda: uplink(agent).get("sessions", 0) >= 2, 25, "another session", [agent])
        assert "reason=connection_lost" in agent.log() or "reason=broker_stalled" in agent.log()


def test_what_the_core_does_not_answer_is_sent_again_and_everything_arrives(depot):
    with Whim(ack=False) as whim:
        agent = start_agent(depot, whim.port)
        wait_until(lambda: uplink(agent).get("resent", 0) >= 2, 20, "batches are repeated", [agent])
        whim.ack = True
        wait_until(lambda: 0 <= held(agent) <= 2, 20, "the spool is empty", [agent])
        seen = {number for _, number in numbers(whim)}
        assert seen >= set(range(1, max(seen)))


def test_live_data_is_not_held_up_by_the_backlog_on_a_slow_link(depot):
    """20 KB/s, and a backlog that takes it for a quarter of a minute."""
    agent = start_agent(depot, free_port(), FLOOD, OFTEN)
    wait_until(lambda: held(agent) >= 400, 60, "a backlog", [agent])
    agent.settings["batch"] = {"max_age": "40 ms", "min_interval": "200 ms"}
    with Whim(bytes_per_s=20000) as whim:
        move_agent(depot, agent, whim.port)
        wait_until(lambda: 0 <= held(agent) <= 5, 60, "the backlog is in", [agent])
        live = [batch.at_mono_us - batch.header["boot"]["sent_mono_us"] for batch in whim.batches
                if batch.header["lane"] == "live" and "sent_mono_us" in batch.header["boot"]]
        live.sort()
        assert len(live) >= 10
        # The last few are those of the first second, when the link is not known yet.
        assert live[len(live) * 99 // 100] < 1000000, live[-10:]
        state = uplink(agent)
        assert state["resent"] == 0
        print(f"backlog {len(whim.batches) - len(live)} live {len(live)} p50 {live[len(live) // 2]} us "
              f"p99 {live[len(live) * 99 // 100]} us")
