"""The short form of tests/fault/outage.py."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "fault"))
from outage import outage  # noqa: E402

WAITS = True


def test_every_component_in_turn(lab):
    """An agent, the controller, nats-server and an agent's heartbeat fail in turn; totals are right."""
    outage(lab, 40)
