"""Files of others are what their authors published, and nothing else is loaded."""

import re
from hashlib import sha256

from service.dashboard.assets import FOLDER
from service.dashboard.rendering import TEMPLATES

VENDOR = FOLDER / "vendor"
LISTED = [
    line.split() for line in (VENDOR / "VENDORED").read_text().splitlines() if line[:1] != "#"
]


def test_every_file_is_as_it_was_published() -> None:
    """Name, version, licence and checksum of each are written down."""
    files = {path.name for path in VENDOR.iterdir()} - {"VENDORED"}
    licences = {name for name in files if name.endswith("-LICENSE.txt")}
    assert files - licences == {name for name, *_ in LISTED}
    for name, package, _, checksum in LISTED:
        assert sha256((VENDOR / name).read_bytes()).hexdigest() == checksum, name
        project, _, version = package.partition("@")
        assert version in name
        assert f"{project.removesuffix('.org')}-LICENSE.txt" in licences


def test_pages_load_nothing_from_elsewhere() -> None:
    for path in TEMPLATES.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"([^\"]*)", path.read_text()
        )
        assert [url for url in loaded if re.match(r"(https?:)?//", url)] == [], path.name


def test_no_template_marks_text_as_safe() -> None:
    """Everything that is stored is escaped: there is no exception to look after."""
    for path in TEMPLATES.rglob("*.html"):
        found = re.findall(r"\|\s*safe\b|autoescape false", path.read_text())
        assert found == [], path.name
