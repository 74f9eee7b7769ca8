"""The page of workers."""

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
