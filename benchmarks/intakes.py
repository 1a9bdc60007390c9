# SPDX-License-Identifier: Apache-2.0
"""What benchmarks of intake need: our ingest, a real Orthanc, and series to send."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from start import ready

from memoryguard.cli.dicom_series import MR_IMAGE_STORAGE, write_series
from memoryguard.cli.home import Home, make_home
from memoryguard.common.contracts.flow import SERVICES
from memoryguard.common.runtime.database import prepare
from memoryguard.common.runtime.postgres import embedded_postgres
from memoryguard.common.testing.broker import free_port

DEADLINE_S = 60.0
HEADER_BYTES = 2048
"""In front of the pixels; every name and UID lies in it."""
DIGITS = 6
PLUGINS = "/usr/share/orthanc/plugins"
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Ingest:
    """Our ingest, a process of its own on a durable PostgreSQL of its own."""

    home: Home
    port: int
    dimse_port: int
    pid: int
    database_url: str

    def token(self, role: str, user: str = "bench") -> dict[str, str]:
        """Headers that show who asks."""
        return {"Authorization": f"Bearer {self.home.issuer().issue(user, [role])}"}


@dataclass(frozen=True)
class Orthanc:
    """A real Orthanc."""

    port: int
    dimse_port: int
    pid: int


@dataclass(frozen=True)
class Ground:
    """What our ingest stands on, and finds again when it is started anew."""

    home: Home
    database_url: str
    settings: Mapping[str, str]

    @asynccontextmanager
    async def ingest(self) -> AsyncGenerator[Ingest]:
        """Run ``python -m memoryguard.ingest``, with DIMSE, in a process group of its own."""
        port, dimse_port = free_port(), free_port()
        environment = self.home.environment(self.database_url) | {
            "MEMORYGUARD_PORT": str(port),
            "MEMORYGUARD_LOG_LEVEL": "ERROR",
            "MEMORYGUARD_DIMSE_PORT": str(dimse_port),
            "MEMORYGUARD_DIMSE_PEERS": "BENCH@127.0.0.1",
            **self.settings,
        }
        process = _started(environment)
        try:
            await asyncio.to_thread(_until_ready, process, port, dimse_port)
            yield Ingest(self.home, port, dimse_port, process.pid, self.database_url)
        finally:
            process.terminate()
            process.wait()


@asynccontextmanager
async def ground(folder: Path, **settings: str) -> AsyncGenerator[Ground]:
    """Make new state in a folder: keys, objects, and a durable PostgreSQL, which runs."""
    home = make_home(folder / "home")
    async with embedded_postgres(folder / "pg") as url:
        await prepare(url, SERVICES)
        yield Ground(home, url, settings)


@asynccontextmanager
async def ingest(folder: Path, **settings: str) -> AsyncGenerator[Ingest]:
    """Run an ingest on new state in a folder."""
    async with ground(folder, **settings) as place, place.ingest() as running:
        yield running


@contextmanager
def orthanc(folder: Path) -> Generator[Orthanc]:
    """Run Orthanc as Debian configures it, but for its ports and folders.

    Raises
    ------
    SystemExit
        It is not installed.
    """
    program = shutil.which("Orthanc", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise SystemExit("not measured: no Orthanc here (Debian: orthanc orthanc-dicomweb dcmtk)")
    folder.mkdir()
    port, dimse_port = free_port(), free_port()
    settings = {
        "HttpPort": port, "DicomPort": dimse_port, "DicomAet": "ORTHANC",
        "StorageDirectory": str(folder), "IndexDirectory": str(folder), "Plugins": [PLUGINS],
        "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
        # Debian's own values of what matters here:
        "SyncStorageArea": True, "StorageCompression": False, "OverwriteInstances": False,
        "KeepAlive": True, "TcpNoDelay": True, "HttpThreadsCount": 50, "DicomThreadsCount": 4,
        "DicomAlwaysAllowStore": True, "DicomCheckCalledAet": False,
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=log)
    try:
        _until_open(process, port)
        _until_open(process, dimse_port)
        yield Orthanc(port, dimse_port, process.pid)
    finally:
        process.terminate()
        process.wait()


def _started(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "memoryguard.ingest"]
    return subprocess.Popen(command, env=os.environ | environment, start_new_session=True)


def _until_ready(process: subprocess.Popen[bytes], port: int, dimse_port: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not ready(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("not measured: ingest did not start")
        time.sleep(0.05)
    _until_open(process, dimse_port)


def _until_open(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit("not measured: a server did not start")


class SeriesMaker:
    """Makes series that differ in person, study, series and instances, from one that is written.

    Parameters
    ----------
    slices, side
        Their number, and their rows and columns of 16 bit. Every slice has pixels of its own.
    """

    def __init__(self, slices: int = 176, side: int = 256) -> None:
        voxels = np.random.default_rng(7).integers(0, 4000, (slices, side, side), dtype=np.uint16)
        uids = {name: f"1.2.826.0.1.3680043.10.999.{n}.1{'0' * DIGITS}"
                for n, name in enumerate(("Study", "Series"), 1)}  # fmt: skip
        tags: dict[str, object] = {
            "SOPClassUID": MR_IMAGE_STORAGE, "Modality": "MR", "ImageType": ["ORIGINAL", "PRIMARY"],
            "PatientName": "Bench^Mark", "PatientID": f"BENCH{'0' * DIGITS}",
            "PatientBirthDate": "19500501", "PatientSex": "F", "PatientAge": "072Y",
            "StudyDate": "20220301", "AcquisitionDate": "20220301",
            "SeriesDescription": "T1 MPRAGE", "Manufacturer": "SIEMENS",
            "MagneticFieldStrength": "3", "ScanningSequence": "GR", "RepetitionTime": "2300",
            "EchoTime": "2.9", "InversionTime": "900",
            **{f"{name}InstanceUID": uid for name, uid in uids.items()},
            "FrameOfReferenceUID": uids["Study"],
        }  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            write_series(Path(folder), voxels, np.diag([1.0, 0.94, 0.94, 1.0]), tags)
            self._files = [path.read_bytes() for path in sorted(Path(folder).iterdir())]

    def __call__(self) -> list[bytes]:
        """Give a new series of a new person, file by file."""
        return list(self.study(1)())

    def study(self, series: int) -> Callable[[], Iterator[bytes]]:
        """Give what makes the files of so many new series of a new person, one when it is asked."""
        marks = [f"{next(_NUMBERS):0{DIGITS}d}".encode() for _ in range(series)]

        def files() -> Iterator[bytes]:
            return (_marked(data, mark, marks[0]) for mark in marks for data in self._files)

        return files


def _marked(data: bytes, series: bytes, person: bytes) -> bytes:
    """Put numbers at the end of a file's UIDs and of its patient's number."""
    head = data[:HEADER_BYTES]
    start = head.index(b"UI", head.index(b"\x02\x00\x03\x00")) + 4  # (0002,0003), its SOP instance
    instance = head[start : start + int.from_bytes(head[start - 2 : start], "little")].rstrip(b"\0")
    head = head.replace(instance, instance[:-DIGITS] + series)
    for at, mark in ((b"10.999.1.1", person), (b"10.999.2.1", series), (b"BENCH", person)):
        head = head.replace(at + b"0" * DIGITS, at + mark)
    return head + data[HEADER_BYTES:]


def multipart(files: Iterable[bytes], kind: str, **fields: str) -> tuple[bytes, str]:
    """Write a body (``form-data`` or ``related``) and its Content-Type."""
    return b"".join(multipart_pieces(files, kind, **fields)), multipart_type(kind)


def multipart_type(kind: str) -> str:
    """Give the Content-Type of such a body."""
    more = '; type="application/dicom"' if kind == "related" else ""
    return f"multipart/{kind}; boundary=memoryguardbench{more}"


def multipart_pieces(files: Iterable[bytes], kind: str, **fields: str) -> Iterator[bytes]:
    """Write a body as it is asked for."""
    line = b"--memoryguardbench\r\n"
    for name, value in fields.items():
        yield line + f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    for n, content in enumerate(files):
        named = f'Content-Disposition: form-data; name="file"; filename="{n}.dcm"\r\n'
        head = named if kind == "form-data" else "Content-Type: application/dicom\r\n"
        yield line + head.encode() + b"\r\n"
        yield content
        yield b"\r\n"
    yield b"--memoryguardbench--\r\n"


class Http:
    """One connection that is kept; anything but success ends the benchmark."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def post(self, path: str, body: bytes | Iterable[bytes], headers: dict[str, str]) -> bytes:
        """Send and wait for the answer; pieces need a Content-Length."""
        self._connection.request("POST", path, body, headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status not in (200, 201):
            raise SystemExit(f"{path} answered {response.status}: {answer[:300]!r}")
        return answer

    def close(self) -> None:
        """Close it."""
        self._connection.close()
