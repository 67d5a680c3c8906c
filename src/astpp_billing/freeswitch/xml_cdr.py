"""The XML record of mod_xml_cdr."""

from __future__ import annotations

from types import ModuleType
from xml.etree.ElementTree import ParseError

from astpp_billing.errors import MalformedRecord
from astpp_billing.freeswitch.variables import Channel, collect

MAX_DEPTH = 64
"""How deep elements may be nested; real records reach 7."""


def read_xml(text: str) -> Channel:
    """The channel that the XML record `text` describes.

    Raises `MalformedRecord` for what is not XML, is cut off, is nested too deeply, declares a document type or
    entities (none is ever expanded, and nothing outside `text` is looked at), or is not laid out as mod_xml_cdr
    does it; `ModuleNotFoundError` if defusedxml is not installed, naming the extra that brings it.
    """
    defused = _defusedxml()
    collector = _Collector()
    parser = defused.XMLParser(target=collector, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    try:
        parser.feed(text)
        parser.close()
    except ParseError as error:
        raise MalformedRecord(f"not XML, or cut off: {error}") from error
    except ValueError as error:
        if isinstance(error, MalformedRecord):
            raise
        raise MalformedRecord(f"the XML declares a document type or an entity, which is not read: {error!r}") from error
    return collector.channel()


def _defusedxml() -> ModuleType:
    try:
        from defusedxml import ElementTree
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "reading XML call records needs defusedxml: install astpp-billing[freeswitch]", name="defusedxml"
        ) from error
    module: ModuleType = ElementTree
    return module


class _Collector:
    """A parser's target that keeps the few elements that matter, so that no tree is built.

    Only an element without elements in it has a value: `<variables><uuid>…</uuid>`, and the fields of
    `<callflow><caller_profile>`.
    """

    def __init__(self) -> None:
        self._path: list[str] = []
        self._text: list[str] = []
        self._leaf = False
        self._attributes: list[tuple[str, str]] = []
        self._variables: list[tuple[str, str]] = []
        self._profiles: list[list[tuple[str, str]]] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._path:
            if tag != "cdr":
                raise MalformedRecord(f"the XML is not a call record: its outermost element is {tag[:80]!r}, not 'cdr'")
            self._attributes += attributes.items()
        if len(self._path) >= MAX_DEPTH:
            raise MalformedRecord("the XML is nested too deeply")
        self._path.append(tag)
        if self._path == ["cdr", "callflow"]:
            self._profiles.append([])
        self._text.clear()
        self._leaf = True

    def data(self, text: str) -> None:
        self._text.append(text)

    def end(self, tag: str) -> None:
        parents = self._path[1:-1]
        if self._leaf:
            value = (tag, "".join(self._text))
            if parents == ["variables"]:
                self._variables.append(value)
            elif parents == ["callflow", "caller_profile"]:
                self._profiles[-1].append(value)
            elif parents == ["channel_data"] and tag == "direction":
                self._attributes.append(value)
        self._path.pop()
        self._leaf = False

    def channel(self) -> Channel:
        return Channel(
            attributes=collect(self._attributes),
            variables=collect(self._variables),
            profiles=tuple(collect(profile) for profile in self._profiles),
            encoded=True,
        )
