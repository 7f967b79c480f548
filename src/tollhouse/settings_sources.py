"""Where settings come from beside the environment: `…_FILE` variables, and lists written as text."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_settings import PydanticBaseSettingsSource

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


class SecretFileSource(PydanticBaseSettingsSource):
    """Values of `TOLLHOUSE_<NAME>_FILE`: the content of the named file without its last line end."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the file's text, or None where no file is named; an unreadable file stops the boot."""
        name = f"{self.config.get('env_prefix', '')}{field_name}_FILE".upper()
        path = os.environ.get(name)
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            from tollhouse.errors import SettingsError

            raise SettingsError([f"{name} names a file that cannot be read: {type(error).__name__}."]) from None

    def __call__(self) -> dict[str, Any]:
        """Return every value that a file gives."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


def split_list(value: Any) -> Any:
    """Return a tuple of the parts of a comma- or line-separated text (or JSON list); other things as they are."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return tuple(json.loads(value))
    return tuple(part for part in (piece.strip() for piece in value.replace("\n", ",").split(",")) if part)
