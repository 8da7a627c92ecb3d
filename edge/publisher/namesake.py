"""Another device of the same id on the same broker: noticed by what is said in our name.

Each listens to its own `/state` and `/availability`. A state of another ledger's epoch that comes
while we are connected is another device's; one that was retained may be of our own ledger before
this one. Both devices keep delivering: a store tells their events apart by the epoch.
"""

from __future__ import annotations

import logging

from edge.contract.messages import OFFLINE, StateMessage, Topics
from edge.errors import DataError
from edge.mqtt import Message

_log = logging.getLogger(__name__)


class Namesake:
    """What was heard of one, on one connection."""

    def __init__(self, topics: Topics, epoch: str) -> None:
        self.topics = (topics.state, topics.availability)
        self.met = False
        self._id = topics.device
        self._epoch = epoch

    def hear(self, message: Message) -> bool:
        """Take in what was said in our name; whether it was that we are not there, while we are.

        The will of a connection that we have lost says so, too.
        """
        if message.retained:
            return False
        if message.topic == self.topics[1]:
            return message.payload == OFFLINE.encode()
        try:
            other = StateMessage.from_json(message.payload).epoch
        except DataError as error:
            _log.warning("%s: %s; nobody but this device may say it", message.topic, error)
            return False
        if other != self._epoch and not self.met:
            self.met = True
            _log.error(
                "another device publishes as %s, from the ledger %s, and this one from %s: give "
                "each of them its own device.id",
                self._id,
                other,
                self._epoch,
            )
        return False
