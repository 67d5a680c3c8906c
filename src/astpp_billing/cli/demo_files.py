"""The folder that the demo leaves behind, and the removal of what an earlier run left there, and of nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import click

DATABASE = "demo.db"
_MANIFEST = "demo-files.txt"
_TITLE = "Made by astpp-billing demo, which removes these files when it runs again:"
_OURS = re.compile(r"demo\.db|[A-Za-z0-9-]+\.html", re.ASCII)


class DemoFolder:
    """A folder with the demo's files; a list of them is kept there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._names: list[str] = []

    @property
    def url(self) -> str:
        """The database."""
        return f"sqlite:///{self.path / DATABASE}"

    def start_afresh(self) -> None:
        """Make the folder, and remove the files that an earlier demo has listed there.

        Raises `ClickException` where a file that the demo would write was made by somebody else.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise click.ClickException(f"{self.path}: {error.strerror}") from None
        for name in self._listed():
            self._remove(name)
            if name == DATABASE:
                self._remove(f"{name}-wal")
                self._remove(f"{name}-shm")
        self._names = []
        self.add(DATABASE)

    def add(self, name: str) -> Path:
        """The path of a file that is to be made, which is put on the list first."""
        path = self.path / name
        if path.exists() or path.is_symlink():
            raise click.ClickException(f"{path} was not made by the demo: move it away, or take another --directory")
        self._names.append(name)
        self._manifest.write_text("\n".join((_TITLE, *self._names, "")), encoding="utf-8")
        return path

    @property
    def _manifest(self) -> Path:
        return self.path / _MANIFEST

    def _listed(self) -> list[str]:
        if not self._manifest.is_file():
            return []
        title, *names = self._manifest.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
        if title != _TITLE:
            raise click.ClickException(f"{self._manifest} was not made by the demo: take another --directory")
        # names that the demo never gives are not its files, whatever the list says
        return [name for name in names if _OURS.fullmatch(name)]

    def _remove(self, name: str) -> None:
        path = self.path / name
        if path.is_file() and not path.is_symlink():
            path.unlink()
