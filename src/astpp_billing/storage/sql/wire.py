"""Several statements in one round trip to the database, and many rows in one statement.

What SQLAlchemy builds is compiled once and then given to the driver itself, because SQLAlchemy waits for the answer to
each statement. How a driver sends several at once is known to `drivers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from attrs import field, frozen
from sqlalchemy import BindParameter, Boolean, Dialect, Executable, Select, Table, bindparam, type_coerce
from sqlalchemy.types import TypeEngine

from astpp_billing.storage.sql.types import Id

Values = Mapping[str, Any]
Row = tuple[Any, ...]


@frozen(eq=False)
class Ask:
    """A query, which gives rows as mappings, or `raw` as the driver has them.

    `values` are as the driver takes them: whole numbers and texts.
    """

    statement: Select[Any]
    values: Values = field(factory=dict)
    raw: bool = False


@frozen(eq=False)
class Tell:
    """A statement that is run once for each of `values`, and gives how many rows it found in all."""

    statement: Executable
    values: Sequence[Values]


@frozen(eq=False)
class Insert:
    """Rows for a table, which gives how many there are.

    Where `adding` names columns, they are added to those of a row that has the same key; where it is empty, a row whose
    key (or other unique columns) is taken is left out; None means that it is an error.
    """

    table: Table
    columns: Sequence[str]
    rows: Sequence[Row]
    adding: Sequence[str] | None = None


@frozen(eq=False)
class Say:
    """A statement without values, and without an answer."""

    sql: str


Step = Ask | Tell | Insert | Say


@frozen(eq=False)
class Text:
    """SQL for one dialect. `order` are the names of its parameters, where these are told by their place."""

    sql: str
    defaults: Values
    order: tuple[str, ...] | None

    def fill(self, values: Values) -> Any:
        """The parameters as the driver takes them."""
        filled = {**self.defaults, **values} if self.defaults else values
        return filled if self.order is None else tuple(filled[name] for name in self.order)


@lru_cache(maxsize=1024)
def compiled(dialect: Dialect, statement: Executable) -> Text:
    """A statement as the SQL of a dialect; statements are told apart by their identity, so keep them."""
    made = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
    defaults = {name: value for name, value in made.params.items() if value is not None}
    return Text(str(made), defaults, tuple(made.positiontup) if made.positional else None)


@lru_cache(maxsize=1024)
def insertion(dialect: Dialect, table: Table, columns: tuple[str, ...], ending: str) -> str:
    """The statement that inserts one row, with a parameter for each column in turn."""
    quote = dialect.identifier_preparer.quote
    names = ", ".join(quote(name) for name in columns)
    marker = "?" if dialect.paramstyle == "qmark" else "%s"
    markers = ", ".join([marker] * len(columns))
    return f"INSERT INTO {quote(table.name)} ({names}) VALUES ({markers}){ending}"  # noqa: S608 - all names are our own


@lru_cache(maxsize=1024)
def _readers(dialect: Dialect, query: Select[Any]) -> tuple[tuple[str, Callable[[Any], Any] | None], ...]:
    return tuple((str(column.key), _reader(dialect, column.type)) for column in query.selected_columns)


def _reader(dialect: Dialect, kind: Any) -> Callable[[Any], Any] | None:
    if isinstance(kind, Boolean):
        return bool
    read = getattr(kind, "process_result_value", None)
    return None if read is None else lambda value: read(value, dialect)


def mappings(dialect: Dialect, query: Select[Any], rows: Iterable[Row]) -> list[dict[str, Any]]:
    """What a driver has fetched, by name, and as the types of the columns want it."""
    readers = _readers(dialect, query)
    return [
        {name: value if read is None else read(value) for (name, read), value in zip(readers, row, strict=True)}
        for row in rows
    ]


def places(count: int) -> int:
    """How many parameters a list of values gets: few different numbers, so that few statements are compiled."""
    return 1 << max(0, count - 1).bit_length()


def listed(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """Values (one at least) for the parameters `name0`, `name1`, …; those that are left over get the last one again."""
    padded = [*values, *[values[-1]] * (places(len(values)) - len(values))]
    return {f"{name}{index}": value for index, value in enumerate(padded)}


def parameters(name: str, count: int, kind: TypeEngine[Any]) -> list[BindParameter[Any]]:
    """The parameters `name0`, `name1`, … up to `count` of a list of values."""
    return [parameter(f"{name}{index}", kind) for index in range(count)]


def parameter(name: str, kind: TypeEngine[Any] = Id) -> Any:
    """A parameter, of whole numbers where nothing else is said."""
    return bindparam(name, type_=kind, required=True)


def plain(column: Any) -> Any:
    """A column of amounts or instants as the whole numbers that the driver takes and gives."""
    return type_coerce(column, Id)
