"""Where texts go: a base URL, checked before anything is sent to it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from embedsmith.exceptions import ModelError

__all__ = ["Endpoint"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Endpoint:
    """A base URL that holds no secret and is not read on its way.

    Attributes
    ----------
    url : str
        Without a slash at its end.
    host : str
        Lower case; with the port unless it is the scheme's own.
    place : str
        Host and path: what an embedding space is known by, besides its model.
    loopback : bool
        Whether texts stay on this machine.
    """

    url: str
    host: str
    place: str
    loopback: bool

    @classmethod
    def of(cls, base_url: str, *, allow_http: str | None = None) -> Endpoint:
        """Return the endpoint of a base URL.

        Parameters
        ----------
        base_url : str
            ``https://host[:port]/path``; http on this machine only.
        allow_http : str, optional
            The one other host to which texts and key may go without encryption.

        Raises
        ------
        ModelError
            If it is no such URL, holds a secret, or would send texts in the clear.

        Examples
        --------
        >>> Endpoint.of("https://api.openai.com/v1/").place
        'api.openai.com/v1'
        """
        try:
            parts = urlsplit(base_url.strip())
            name, port = parts.hostname, parts.port
        except ValueError as error:
            # The address itself is not shown: it may hold a key.
            msg = f"base_url is no address ({error}). Write https://host/path."
            raise ModelError(msg) from None
        if parts.scheme not in _DEFAULT_PORTS or not name:
            msg = "base_url is no address: write https://host/path, or http://localhost:8000/v1."
            raise ModelError(msg)
        if parts.username is not None or parts.password is not None:
            msg = (
                f"base_url holds a user name or password for {name}. Take them out: addresses are "
                "kept in results; a key belongs into the environment."
            )
            raise ModelError(msg)
        if parts.query or parts.fragment:
            msg = (
                f"base_url has something after '?' or '#' ({name}), which may be a secret and is "
                "no part of a base URL. Take it out."
            )
            raise ModelError(msg)
        shown = f"[{name}]" if ":" in name else name
        host = shown if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{shown}:{port}"
        path = parts.path.rstrip("/")
        endpoint = cls(
            url=f"{parts.scheme}://{host}{path}",
            host=host,
            place=f"{host}{path}",
            loopback=_is_loopback(name),
        )
        if parts.scheme == "http" and not endpoint.loopback and allow_http not in (name, host):
            msg = (
                f"base_url is {endpoint.url}: texts and key would cross the network unencrypted. "
                f"Use https, or allow this host by name: ApiOptions(allow_http={name!r}) "
                f"(--allow-http {name})."
            )
            raise ModelError(msg)
        return endpoint


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
