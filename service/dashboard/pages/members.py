"""Members of the community."""

from fastapi import APIRouter

router = APIRouter()
