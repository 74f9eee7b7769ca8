"""The page of posts."""

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
