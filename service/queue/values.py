"""Python values as JSON and back, exactly.

msgspec writes UUID, datetime, Decimal, bytes, sets and the like as JSON text and numbers; a
decoder made from the declared type restores them. What JSON would change without a word is refused
here before anything is written.
"""

import math
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import chain
from typing import Any
from uuid import UUID

import msgspec

# Outside this range msgspec reads an untyped JSON integer as a float.
_INTEGERS = range(-(2**63), 2**64)
_EXACT = frozenset({str, bytes, bytearray, bool, type(None), UUID, Decimal, date, timedelta})
# Where dataclasses, msgspec's Structs and pydantic's models keep the names of their fields.
_FIELD_TABLES = ("__dataclass_fields__", "__struct_fields__", "__pydantic_fields__")


def encode(value: object) -> bytes:
    """Write a value as JSON; raise TypeError, ValueError or RecursionError when it cannot be."""
    return msgspec.json.encode(value, enc_hook=_simplify)


def encode_alike(value: object) -> bytes:
    """Write a value so that equal dicts and sets give equal bytes; raises as `encode`."""
    return msgspec.json.encode(value, enc_hook=_simplify, order="deterministic")


def decoder(annotation: Any) -> msgspec.json.Decoder[Any]:
    """Make the decoder of a type; raise TypeError when JSON cannot tell its values apart.

    `UUID | str` is such a type, `UUID | None` and `UUID | int` are not.
    """
    return msgspec.json.Decoder(annotation, dec_hook=_build)


def refuse_inexact(value: object) -> None:
    """Raise ValueError when JSON would change a number or an instant inside the value.

    These are nan and the infinities, integers beyond 64 bits, and UTC offsets with seconds.
    """
    if type(value) in _EXACT or isinstance(value, Enum):
        return
    if isinstance(value, (int, float)):
        _refuse_number(value)
    elif isinstance(value, (datetime, time)):
        _refuse_offset(value)
    else:
        for part in _parts(value):
            refuse_inexact(part)


def _refuse_number(value: float) -> None:
    if isinstance(value, int):
        if value not in _INTEGERS:
            raise ValueError(f"the integer {value} does not fit in 64 bits; pass it as a str")
    elif not math.isfinite(value):
        raise ValueError(f"{value} is no JSON number; pass None or a str")


def _refuse_offset(value: datetime | time) -> None:
    offset = value.utcoffset()
    if offset is not None and offset % timedelta(minutes=1):
        raise ValueError(f"{value} has a UTC offset with seconds; pass it in UTC")


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return chain(value.keys(), value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return value
    names = chain.from_iterable(getattr(type(value), table, ()) for table in _FIELD_TABLES)
    return (getattr(value, name, None) for name in names)


def _simplify(value: Any) -> object:
    """Write a pydantic model, known by its methods since pydantic is no dependency of this one."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} cannot be written as JSON; pass its id or its parts")


def _build(annotation: Any, plain: object) -> object:
    """Make a pydantic model from decoded JSON; as JSON again, so that strict models take it."""
    if hasattr(annotation, "model_validate_json"):
        return annotation.model_validate_json(msgspec.json.encode(plain))
    raise TypeError(f"{annotation} cannot be read from JSON")
