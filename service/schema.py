"""The bases of all request and reply bodies."""

from pydantic import BaseModel, ConfigDict


class Schema(BaseModel):
    """Base of all request bodies: unknown fields are errors, types are not guessed."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Reply(BaseModel):
    """Base of all reply bodies."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)
