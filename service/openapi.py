"""The OpenAPI document, with errors under the media type that they are sent with."""

from typing import Any

from fastapi import FastAPI

PROBLEM = "application/problem+json"
FIRST_ERROR = 400


def describe(app: FastAPI) -> None:
    """Make the application's document say what its error handlers do."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _rename_problems(generate())
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend it


def _rename_problems(document: dict[str, Any]) -> None:
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                # FastAPI files every reply under the route's own media type.
                if status.isdigit() and int(status) >= FIRST_ERROR and "content" in response:
                    (body,) = response["content"].values()
                    if "schema" in body:  # a page has none
                        response["content"] = {PROBLEM: body}
