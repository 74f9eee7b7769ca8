"""The page of notifications."""

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
