"""What the Graph API answers of videos and reels."""

import msgspec


class Upload(msgspec.Struct):
    """A video that is being uploaded: the bytes that are wanted next."""

    start_offset: str
    end_offset: str
    upload_session_id: str = ""
    video_id: str = ""


class Reel(msgspec.Struct):
    """A reel that is about to be uploaded."""

    video_id: str


class _Fault(msgspec.Struct):
    message: str = ""


class Phase(msgspec.Struct):
    """How far one phase has come: not_started, in_progress, complete or error."""

    status: str = "not_started"
    errors: tuple[_Fault, ...] = ()
    bytes_transferred: int | None = None
    bytes_transfered: int | None = None
    """As the documentation writes it."""


class Phases(msgspec.Struct):
    """A video's way."""

    video_status: str = ""
    uploading_phase: Phase = msgspec.field(default_factory=Phase)
    processing_phase: Phase = msgspec.field(default_factory=Phase)
    publishing_phase: Phase = msgspec.field(default_factory=Phase)


class Video(msgspec.Struct):
    """A video or a reel."""

    id: str
    status: Phases = msgspec.field(default_factory=Phases)
    published: bool = False
    permalink_url: str | None = None

    @property
    def uploaded(self) -> int:
        """Bytes that Facebook has."""
        phase = self.status.uploading_phase
        return phase.bytes_transferred or phase.bytes_transfered or 0

    @property
    def fault(self) -> str | None:
        """Why it will never be seen; None: nothing is wrong."""
        status = self.status
        phases = (status.uploading_phase, status.processing_phase, status.publishing_phase)
        failed = [phase for phase in phases if phase.status == "error"]
        if not failed and status.video_status not in ("error", "expired", "upload_failed"):
            return None
        words = "; ".join(fault.message for phase in failed for fault in phase.errors)
        return words or f"the video is {status.video_status or 'refused'}"

    @property
    def visible(self) -> bool:
        """Whether everybody can see it."""
        complete = self.status.publishing_phase.status == "complete"
        return self.published and (complete or self.status.video_status == "ready")
