"""What is confidential stays so: labels that stick to conversations, and redaction. Standard library only."""

from loom.privacy.detectors import make_detectors
from loom.privacy.finding import KINDS, Detector, Finding
from loom.privacy.guard import Audit, Guard, Outbound
from loom.privacy.labels import Keep, ThreadLabels
from loom.privacy.placeholders import Limits
from loom.privacy.restoring import Restoring

__all__ = [
    "KINDS", "Audit", "Detector", "Finding", "Guard", "Keep", "Limits", "Outbound", "Restoring", "ThreadLabels",
    "make_detectors",
]  # fmt: skip
