"""Commands that were done, in memory."""

from __future__ import annotations

from astpp_billing.errors import AlreadyExists
from astpp_billing.ports import Command
from astpp_billing.storage.memory.part import Part


class Commands(Part):
    """The part of a unit of work that knows which commands were done."""

    def find_command(self, key: str) -> Command | None:
        """See `ports.UnitOfWork`."""
        return self._tables.commands.get(key)

    def add_command(self, command: Command) -> None:
        """See `ports.UnitOfWork`."""
        self._check_changing()
        if command.key in self._tables.commands:
            raise AlreadyExists(f"command {command.key} exists already")
        self._put(self._tables.commands, command.key, command)
