"""The addresses behind a configured URL: itself, or every address of a name."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

_DNS = "dns"


async def addresses(urls: Iterable[str]) -> list[str]:
    """Base URLs, sorted; `dns://host:port` is one for each address that the name has now."""
    found: set[str] = set()
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme == _DNS:
            found.update(await _resolve(parts.hostname or "", parts.port or 80))
        else:
            found.add(url.rstrip("/"))
    return sorted(found)


async def _resolve(host: str, port: int) -> list[str]:
    """One URL an address; none while the name has no address."""
    loop = asyncio.get_running_loop()
    try:
        rows = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return []
    hosts = {str(address[0]) for *_, address in rows}
    return [f"http://{f'[{host}]' if ':' in host else host}:{port}" for host in hosts]
