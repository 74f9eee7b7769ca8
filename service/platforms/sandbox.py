"""Networks without a live adapter yet: their limits as data, their posts on Almanac's own pages."""

from service.platforms.feed import Feed
from service.platforms.limits import Limits


def x() -> Feed:
    """Return X: 280 weighted characters, a URL counts 23, four images."""
    limits = Limits(
        text_units=280,
        unit="weighted",
        url_units=23,
        images=4,
        image_bytes=5_000_000,
        alt_text=1_000,
        posts_per_day=2_400,
    )
    return Feed("x", "X", limits, live=False)


def instagram() -> Feed:
    """Return Instagram: a caption of 2,200 characters under 1 to 10 JPEG images."""
    limits = Limits(
        text_units=2_200,
        unit="characters",
        images=10,
        image_bytes=8_000_000,
        image_types=("image/jpeg",),
        alt_text=1_000,
        media_required=True,
        posts_per_day=50,
    )
    return Feed("instagram", "Instagram", limits, live=False)
