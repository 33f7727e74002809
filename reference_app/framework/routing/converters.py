"""Converters: what a variable part of a rule may be, `<converter(arguments):name>`.

A converter gives the regular expression of its part, makes a Python value of the text, and text of
the value again. Write your own as a subclass of `BaseConverter` and put it in
`app.url_map.converters`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..http import URL_PATH_SAFE

if TYPE_CHECKING:
    from .map import Map


class ValidationError(ValueError):
    """Raised by `to_python` for text that is no value: the rule does not match."""


class BaseConverter:
    """The base of all converters.

    :param map: that the rule belongs to.
    """

    # The text of a value. Without a slash in it, a value is one part of a path.
    regex = "[^/]+"
    # Rules with lighter converters are tried first.
    weight = 100
    # Whether a value is one part of a path, or may go on over slashes.
    part_isolating = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "regex" in cls.__dict__ and "part_isolating" not in cls.__dict__:
            cls.part_isolating = "/" not in cls.regex

    def __init__(self, map: Map, *args: Any, **kwargs: Any) -> None:
        self.map = map

    def to_python(self, value: str) -> Any:
        """The value that the view gets.

        :raises ValidationError: if the text is no value.
        """
        return value

    def to_url(self, value: Any) -> str:
        """The text that a URL gets, quoted.

        :raises ValidationError: if it is no value of this converter.
        """
        return quote(str(value), safe=URL_PATH_SAFE)


class UnicodeConverter(BaseConverter):
    """`string`, the default: any text without a slash.

    :param minlength: of the text in characters.
    :param maxlength: of the text in characters.
    :param length: exactly, instead of the two.
    """

    def __init__(
        self,
        map: Map,
        minlength: int = 1,
        maxlength: int | None = None,
        length: int | None = None,
    ) -> None:
        super().__init__(map)
        if length is not None:
            self.regex = f"[^/]{{{int(length)}}}"
        elif maxlength is not None:
            self.regex = f"[^/]{{{int(minlength)},{int(maxlength)}}}"
        elif int(minlength) != 1:
            self.regex = f"[^/]{{{int(minlength)},}}"


class AnyConverter(BaseConverter):
    """`any`: one of some words.

    :param items: the words.
    """

    def __init__(self, map: Map, *items: str) -> None:
        super().__init__(map)
        self.items = set(items)
        self.regex = f"(?:{'|'.join(re.escape(item) for item in items)})"

    def to_url(self, value: Any) -> str:
        if value not in self.items:
            words = ", ".join(repr(item) for item in sorted(self.items))
            raise ValueError(f"{value!r} is not one of {words}")
        return str(value)


class PathConverter(BaseConverter):
    """`path`: any text, slashes too, that does not start with one."""

    part_isolating = False
    regex = "[^/].*?"
    weight = 200


class NumberConverter(BaseConverter):
    """The base of `int` and `float`.

    :param fixed_digits: how many digits there have to be, zeros in front.
    :param min: least value.
    :param max: greatest value.
    :param signed: allow a minus sign.
    """

    weight = 50
    num_convert: Callable[[Any], Any] = int

    def __init__(
        self,
        map: Map,
        fixed_digits: int = 0,
        min: float | None = None,
        max: float | None = None,
        signed: bool = False,
    ) -> None:
        super().__init__(map)
        if signed:
            self.regex = f"-?{self.regex}"
        self.fixed_digits = fixed_digits
        self.min = min
        self.max = max
        self.signed = signed

    def to_python(self, value: str) -> Any:
        if self.fixed_digits and len(value) != self.fixed_digits:
            raise ValidationError(f"{value!r} does not have {self.fixed_digits} digits")
        try:
            number = self.num_convert(value)
        except ValueError as error:
            # More digits than int() takes.
            raise ValidationError(str(error)) from error
        if (self.min is not None and number < self.min) or (
            self.max is not None and number > self.max
        ):
            raise ValidationError(f"{number} is out of range")
        return number

    def to_url(self, value: Any) -> str:
        text = str(self.num_convert(value))
        return text.zfill(self.fixed_digits) if self.fixed_digits else text


class IntegerConverter(NumberConverter):
    """`int`: a whole number."""

    regex = r"\d+"


class FloatConverter(NumberConverter):
    """`float`: a number with a point in it."""

    regex = r"\d+\.\d+"
    num_convert = float

    def __init__(
        self,
        map: Map,
        min: float | None = None,
        max: float | None = None,
        signed: bool = False,
    ) -> None:
        super().__init__(map, min=min, max=max, signed=signed)


class UUIDConverter(BaseConverter):
    """`uuid`: a UUID, in either case."""

    regex = "[A-Fa-f0-9]{8}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{12}"

    def to_python(self, value: str) -> uuid.UUID:
        return uuid.UUID(value)

    def to_url(self, value: uuid.UUID) -> str:
        return str(value)


DEFAULT_CONVERTERS: dict[str, type[BaseConverter]] = {
    "default": UnicodeConverter,
    "string": UnicodeConverter,
    "any": AnyConverter,
    "path": PathConverter,
    "int": IntegerConverter,
    "float": FloatConverter,
    "uuid": UUIDConverter,
}
