"""The page of accounts."""

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
