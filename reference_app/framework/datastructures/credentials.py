"""Credentials and challenges: Authorization and WWW-Authenticate (RFC 9110 section 11)."""

from __future__ import annotations

import base64
import binascii

from ..http import dump_header, parse_dict_header, quote_header_value


class _Credentials:
    """What Authorization and WWW-Authenticate share: a scheme with parameters or with a token."""

    def __init__(
        self, auth_type: str, data: dict[str, str | None] | None = None, token: str | None = None
    ) -> None:
        self.type = auth_type.lower()
        self.parameters = {} if data is None else data
        self.token = token

    def __getattr__(self, name: str) -> str | None:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.parameters.get(name)

    def __getitem__(self, name: str) -> str | None:
        return self.parameters.get(name)

    def get(self, key: str, default: str | None = None) -> str | None:
        """A parameter, or `default`."""
        return self.parameters.get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self.parameters

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Credentials):
            return NotImplemented
        return (self.type, self.token, self.parameters) == (
            other.type,
            other.token,
            other.parameters,
        )

    __hash__ = None  # type: ignore[assignment]

    @staticmethod
    def _split(value: str) -> tuple[str, dict[str, str | None], str | None]:
        scheme, _, rest = value.partition(" ")
        rest = rest.strip()
        # A token may end in padding; an equals sign elsewhere means parameters (RFC 9110, 11.4).
        if "=" in rest.rstrip("="):
            return scheme.lower(), parse_dict_header(rest), None
        return scheme.lower(), {}, rest

    def to_header(self) -> str:
        """As the field has it."""
        if self.token is not None:
            return f"{self.type.title()} {self.token}"
        return f"{self.type.title()} {dump_header(self.parameters)}"

    def __str__(self) -> str:
        return self.to_header()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.type}>"


class Authorization(_Credentials):
    """The credentials of a request: `type`, `username`, `password`, others, or `token`."""

    @classmethod
    def from_header(cls, value: str | None) -> Authorization | None:
        """Parse an Authorization field; None if it is missing or not decodable."""
        if not value:
            return None
        scheme, parameters, token = cls._split(value)
        if scheme == "basic":
            try:
                decoded = base64.b64decode(value.partition(" ")[2].strip(), validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return None
            username, _, password = decoded.partition(":")
            return cls(scheme, {"username": username, "password": password})
        return cls(scheme, parameters, token)

    def to_header(self) -> str:
        if self.type == "basic":
            pair = f"{self.username}:{self.password}".encode()
            return f"Basic {base64.b64encode(pair).decode('ascii')}"
        return super().to_header()


class WWWAuthenticate(_Credentials):
    """A challenge: its scheme (`type`), and parameters such as `realm`, or a token."""

    @classmethod
    def from_header(cls, value: str | None) -> WWWAuthenticate | None:
        """Parse a WWW-Authenticate field; None if it is missing."""
        return cls(*cls._split(value)) if value else None

    def to_header(self) -> str:
        if self.token is not None:
            return super().to_header()
        parts = [
            f"{key}={quote_header_value(value, allow_token=self.type != 'digest')}"
            for key, value in self.parameters.items()
            if value is not None
        ]
        return f"{self.type.title()} {', '.join(parts)}"
