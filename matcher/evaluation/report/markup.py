"""HTML and SVG as text in which nothing that came from a file can be markup."""

from html import escape
from typing import Any


class Html(str):
    """Text that is markup already. Only this module makes it, from parts that are escaped."""

    __slots__ = ()


BREAK = Html("<br>")


def tag(name: str, /, *content: str, **attributes: Any) -> Html:
    """An element. Content that is not `Html` is escaped. An attribute's underscores become hyphens, one at its end (as
    in `class_`) goes; one that is None is left out."""
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{shown}>{join(*content)}</{name}>")


def join(*content: str) -> Html:
    """Parts one after the other; those that are not `Html` are escaped."""
    return Html("".join(each if isinstance(each, Html) else escape(each) for each in content))


def raw(text: str) -> Html:
    """Text of a file that ships with this package, as it is. Never for anything that was read elsewhere."""
    return Html(text)


def _text(value: Any) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
