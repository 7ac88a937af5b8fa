"""Which adapters are loaded, and from which folders: a caller's path is not trusted."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from goldsmith.errors import ArtefactError
from goldsmith.serving.builtin.lora import Adapter, read_adapter
from goldsmith.serving.builtin.refusal import Refusal

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class Adapters:
    """Loaded adapters by name; a name is loaded once and never replaced."""

    def __init__(
        self,
        root: Path | None,
        *,
        shapes: dict[str, tuple[int, int]],
        most: int,
        max_rank: int,
        reserved: tuple[str, ...],
    ) -> None:
        self._root = root.resolve() if root else None
        self._shapes, self._most, self._max_rank = shapes, most, max_rank
        self._reserved = reserved
        self._loaded: dict[str, Adapter] = {}
        self._loading: set[str] = set()

    def names(self) -> list[str]:
        """In the order in which they were loaded."""
        return list(self._loaded)

    def get(self, name: str) -> Adapter | None:
        """The adapter of that name, if it is loaded."""
        return self._loaded.get(name)

    async def load(self, name: str, path: str) -> None:
        """Read an adapter beside the decoding; Refusal if it may not be loaded."""
        folder = self._folder(path)
        self._check_name(name)
        self._loading.add(name)
        try:
            self._loaded[name] = await asyncio.to_thread(self._read, name, folder)
        except (ArtefactError, OSError) as error:
            raise Refusal(400, str(error), param="lora_path") from None
        finally:
            self._loading.discard(name)

    def _read(self, name: str, folder: Path) -> Adapter:
        return read_adapter(name, folder, shapes=self._shapes, max_rank=self._max_rank)

    def unload(self, name: str) -> None:
        """Forget an adapter; rows that decode with it keep it."""
        if self._loaded.pop(name, None) is None:
            raise Refusal(
                404, f"the adapter '{name}' is not loaded", param="lora_name", code="not_found"
            )

    def _folder(self, path: str) -> Path:
        """The folder that a path means, which must lie below the root, links followed."""
        if self._root is None:
            raise Refusal(400, "adapters are off: start the engine with --adapters-root")
        try:
            folder = (self._root / path).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):  # missing; NUL in the path; a loop of links
            folder = None
        if folder is None or self._root not in folder.parents:
            raise Refusal(400, "`lora_path` is no folder below --adapters-root", param="lora_path")
        return folder

    def _check_name(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise Refusal(400, "`lora_name` must be letters, digits, . _ -", param="lora_name")
        if name in self._loaded or name in self._loading or name in self._reserved:
            why = f"'{name}' is taken: an adapter's name is never loaded again"
            raise Refusal(400, why, param="lora_name", code="already_loaded")
        if len(self._loaded) + len(self._loading) >= self._most:
            why = f"{self._most} adapters are loaded, as --max-loras says: unload one first"
            raise Refusal(400, why, param="lora_name", code="too_many_adapters")
