"""The page of workflows."""

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
