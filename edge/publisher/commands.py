"""Commands that came over MQTT: read, done once in the ledger, answered.

What cannot be done is answered with the reason, as far as there is a topic for an answer, and told
in one line of the log. A retained command is never obeyed: it would come again at each connection.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from edge.contract.commands import NAME, OF_THE_LEDGER, Command, CommandError, CommandResult
from edge.contract.messages import Topics
from edge.errors import HeadcountError
from edge.ledger import Ledger
from edge.mqtt import Message

_RETAINED = "was retained and is not obeyed; publish it without the retain flag"

_FIXED = "is not possible: the model is fixed by detector.model in the configuration"

_log = logging.getLogger(__name__)


class Commands:
    """The commands of one device."""

    def __init__(
        self,
        topics: Topics,
        ledger: Ledger,
        clock: Callable[[], datetime],
        update: Callable[[Command], None] | None = None,
    ) -> None:
        self._topics = topics
        self._update = update  # does `update` and `rollback`; None where no model can be changed
        self._ledger = ledger
        self._clock = clock
        self._base = topics.command("")

    def concern(self, message: Message) -> bool:
        """Whether a message is a command."""
        return message.topic.startswith(self._base)

    def answer(self, message: Message) -> tuple[str, str] | None:
        """Do what a message asks; topic and payload of the answer, None where there is none."""
        name = message.topic.removeprefix(self._base)
        if not message.payload:  # somebody has removed a retained one
            return None
        if not NAME.fullmatch(name):
            _log.warning("%.80s: is no command, ignored", message.topic)
            return None
        result = self._result(name, message)
        if result.ok:
            again = ", again" if result.repeated else ""
            _log.info("command %s %s: done%s", name, result.id, again)
        else:
            _log.warning("command %s: %s", name, result.error)
        return self._topics.result(name), result.to_json()

    def _result(self, name: str, message: Message) -> CommandResult:
        now = self._clock()
        try:
            command = Command.from_json(name, message.payload)
            if message.retained:
                raise CommandError(f"{name} {_RETAINED}", command.id)
            if name in OF_THE_LEDGER:
                return self._ledger.obey(command, now)
            if self._update is None:
                raise CommandError(f"{name} {_FIXED}", command.id)
            return self._ledger.obey(command, now, self._update)
        except CommandError as error:
            return CommandResult(name, error.id, ok=False, error=str(error), ts=now)
        except HeadcountError as error:
            return CommandResult(name, command.id, ok=False, error=str(error), ts=now)
