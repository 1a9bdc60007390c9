# SPDX-License-Identifier: Apache-2.0
"""A witness that is killed as it remembers: just before the disk has it, or just after.

``python dying_witness.py STATE LOG_KEY PORT before|after``
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from aiohttp import web

from memoryguard.tlog.note import VerifierKey
from memoryguard.tlog.witness import Kept, logs_of
from memoryguard.witness.http import Witness
from memoryguard.witness.key import read_key
from memoryguard.witness.memory import Memory


class Dying(Memory):
    """Remembers and dies, in the order that the command line says."""

    def keep(self, kept: Kept) -> None:
        if sys.argv[4] == "after":
            super().keep(kept)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    folder, log_key, port = Path(sys.argv[1]), VerifierKey.parse(sys.argv[2]), int(sys.argv[3])
    cosigner = read_key(folder / "key")
    app = Witness(Dying(folder, cosigner.key), logs_of([log_key]), cosigner).app()
    web.run_app(app, host="127.0.0.1", port=port, print=None)
