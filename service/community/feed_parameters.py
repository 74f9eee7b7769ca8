"""Query parameters of routes that show posts."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from service.kit.pagination import MAX_LIMIT

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Posts wanted")]
Cursor = Annotated[
    str | None, Query(max_length=300, description="`next_cursor` of the page before")
]
Viewer = Annotated[UUID | None, Query(description="The member who looks")]
