"""The page of composer."""

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
