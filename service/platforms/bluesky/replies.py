"""What a Bluesky post answers: the first post and the one before, each with its exact version.

A version is a CID. `Published.details` has it as `cid`; that of a post without it is read and kept
in the handle `cid:<uri>`.
"""

from collections.abc import Mapping

from service.platforms.bluesky import repo as bluesky_repo
from service.platforms.bluesky.api import NAME, Api
from service.platforms.contract import Publication, Reference
from service.platforms.failures import Rejected


async def find_versions(publication: Publication, api: Api) -> None:
    """Read the versions that nobody has told.

    Raises:
        Rejected: a post that this one answers is gone.
    """
    for post in (publication.root, publication.reply_to):
        if post is None or _version(publication, post) is not None:
            continue
        found = await bluesky_repo.find(api, post.remote_id)
        if found is None:
            raise Rejected(f"{NAME}, posting: the post that this one answers is gone")
        publication.handles[f"cid:{post.remote_id}"] = found.cid
        await publication.save(dict(publication.handles))


def reply_of(publication: Publication) -> Mapping[str, object] | None:
    """Return the record's `reply`; None for a post that answers nothing."""
    parent = publication.reply_to
    if parent is None:
        return None
    posts = {"root": publication.root or parent, "parent": parent}
    return {
        name: {"uri": post.remote_id, "cid": _version(publication, post)}
        for name, post in posts.items()
    }


def _version(publication: Publication, post: Reference) -> object:
    return post.details.get("cid") or publication.handles.get(f"cid:{post.remote_id}")
