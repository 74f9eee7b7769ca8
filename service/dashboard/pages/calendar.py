"""The page of calendar."""

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
