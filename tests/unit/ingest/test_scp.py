# SPDX-License-Identifier: Apache-2.0
"""The C-STORE receiver alone, with pynetdicom as the sender and a stand-in for what keeps files."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pynetdicom
import pytest
from certificates import certificate
from ingest_samples import ROOT, element, file_of, slice_dataset
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import AE

from memoryguard.common.errors import Misconfigured, Unavailable
from memoryguard.common.testing.settings import folder_settings
from memoryguard.ingest.parsing import describe
from memoryguard.ingest.staging import Receipt, Sender
from memoryguard.ingest.ways.peers import DimseSettings, Peers, tls_context
from memoryguard.ingest.ways.scp import Inlet, Scp, listening
from memoryguard.ingest.ways.statuses import status_of

LISTED = Peers("SCANNER,FAR@192.0.2.1")


class Keeping:
    """Says of each file what a parser says; keeps none."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.senders: set[Sender] = set()
        self.away = False

    async def take(self, files: Sequence[bytes], sender: Sender) -> list[Receipt]:
        if self.away:
            raise Unavailable("object_store_unavailable", "away")
        self.batches.append(len(files))
        self.senders.add(sender)
        return [
            Receipt("refused", found["refused"][0]) if "refused" in found else Receipt("kept")
            for found in describe(files)[0]
        ]


@asynccontextmanager
async def receiving(
    keeping: Keeping,
    tls: ssl.SSLContext | None = None,
    peers: Peers = LISTED,
    **settings: object,
) -> AsyncGenerator[int]:
    inlet = Inlet(keeping)  # type: ignore[arg-type]
    running = asyncio.create_task(inlet.run())
    try:
        async with listening(
            Scp(inlet, peers),
            DimseSettings(port=0, **settings),
            tls,  # type: ignore[arg-type]
        ) as port:
            yield port
    finally:
        running.cancel()


def send(
    port: int,
    datasets: Sequence[Dataset | Path],
    title: str = "SCANNER",
    tls: ssl.SSLContext | None = None,
) -> list[int] | None:
    """Send data sets over one association; their statuses, None when it was refused."""
    entity = AE(ae_title=title)
    entity.add_requested_context(MRImageStorage, ExplicitVRLittleEndian)
    arguments = {"tls_args": (tls, "localhost")} if tls else {}
    association = entity.associate("127.0.0.1", port, ae_title="MEMORYGUARD", **arguments)
    if not association.is_established:
        return None
    try:
        return [association.send_c_store(ds).Status for ds in datasets]
    finally:
        association.release()


def dataset(number: int = 0) -> Dataset:
    ds = slice_dataset(number)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


async def test_each_instance_is_answered_when_it_is_kept() -> None:
    keeping = Keeping()
    async with receiving(keeping) as port:
        assert await asyncio.to_thread(send, port, [dataset(n) for n in range(5)]) == [0] * 5
    assert keeping.senders == {Sender("dimse:SCANNER", ends="quiet")}
    assert sum(keeping.batches) == 5


async def test_associations_side_by_side_share_batches() -> None:
    keeping = Keeping()
    async with receiving(keeping) as port:
        sets = [[dataset(n) for n in range(10)] for _ in range(6)]
        told = await asyncio.gather(*(asyncio.to_thread(send, port, each) for each in sets))
    assert told == [[0] * 10] * 6
    assert sum(keeping.batches) == 60


async def test_another_object_than_was_named_is_a_mismatch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ds = slice_dataset(0)
    named = f"{ROOT}.9.9"
    inside = element(0x00080018, b"UI", ds.SOPInstanceUID.encode())
    content = file_of(ds)
    assert content.count(inside) == 1
    ds.SOPInstanceUID = named
    outside = file_of(ds)
    start = outside.index(element(0x00080018, b"UI", named.encode() + b"\0" * (len(named) % 2)))
    at = content.index(inside)
    path = tmp_path / "renamed.dcm"
    path.write_bytes(outside[:start] + content[at:])
    # The sender then names what stands in the file's meta information.
    monkeypatch.setattr(pynetdicom._config, "STORE_SEND_CHUNKED_DATASET", True)
    async with receiving(Keeping()) as port:
        assert await asyncio.to_thread(send, port, [path]) == [0xA900]


async def test_what_is_away_is_told_as_out_of_resources() -> None:
    keeping = Keeping()
    keeping.away = True
    async with receiving(keeping) as port:
        assert await asyncio.to_thread(send, port, [dataset()]) == [0xA700]
        keeping.away = False
        assert await asyncio.to_thread(send, port, [dataset()]) == [0]


async def is_turned_away(title: str, peers: Peers) -> None:
    keeping = Keeping()
    async with receiving(keeping, peers=peers) as port:
        assert await asyncio.to_thread(send, port, [dataset()], title or "X") is None
    assert keeping.batches == []


@pytest.mark.control("164.312(a)(1)", "peers")
@pytest.mark.parametrize("title", ["STRANGER", "FAR", ""])
async def test_who_is_not_listed_is_not_let_in(title: str) -> None:
    await is_turned_away(title, LISTED)


class Everybody(Peers):
    """Lets whoever comes send."""

    def may_send(self, ae_title: str, address: str) -> bool:
        return True


@pytest.mark.control("164.312(a)(1)", "peers", off="a list of peers that nobody looks at")
async def test_a_list_that_nobody_looks_at_is_noticed() -> None:
    with pytest.raises(AssertionError, match="is None"):
        await is_turned_away("STRANGER", Everybody("SCANNER"))


def is_let_in(port: int, tls: ssl.SSLContext) -> bool:
    """Whether a handshake is accepted; of TLS 1.3 the first answer tells."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        suppress(ssl.SSLError, ConnectionError),
        tls.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        secured.sendall(b"\x01\x00")
        secured.settimeout(0.3)
        try:
            return secured.recv(1) != b""
        except TimeoutError:
            return True  # it waits for the rest of the request
    return False


async def needs_a_certificate(served: ssl.SSLContext | None, client: ssl.SSLContext) -> None:
    async with receiving(Keeping(), served) as port:
        assert not await asyncio.to_thread(is_let_in, port, client)


@pytest.mark.control("164.312(d)", "peers")
async def test_tls_where_a_certificate_is_set(tmp_path: Path) -> None:
    cert_file, key_file = certificate(tmp_path)
    platform, _ = folder_settings(tmp_path, "postgresql://nobody/")
    files = {"tls_cert_file": cert_file, "tls_key_file": key_file}
    context = tls_context(DimseSettings(port=1, **files), platform)
    client = ssl.create_default_context(cafile=str(cert_file))
    async with receiving(Keeping(), context) as port:
        assert await asyncio.to_thread(send, port, [dataset()], "SCANNER", client) == [0]
        assert await asyncio.to_thread(is_let_in, port, client)
    both = tls_context(DimseSettings(port=1, **files, tls_ca_file=cert_file), platform)
    await needs_a_certificate(both, client)
    async with receiving(Keeping(), both) as port:
        client.load_cert_chain(cert_file, key_file)
        assert await asyncio.to_thread(send, port, [dataset()], "SCANNER", client) == [0]


@pytest.mark.control("164.312(d)", "peers", off="a receiver that asks for no certificate")
async def test_a_peer_without_a_certificate_is_noticed(tmp_path: Path) -> None:
    cert_file, key_file = certificate(tmp_path)
    platform, _ = folder_settings(tmp_path, "postgresql://nobody/")
    files = {"tls_cert_file": cert_file, "tls_key_file": key_file}
    open_to_all = tls_context(DimseSettings(port=1, **files), platform)
    with pytest.raises(AssertionError, match="assert not True"):
        await needs_a_certificate(open_to_all, ssl.create_default_context(cafile=str(cert_file)))


@pytest.mark.control("164.312(e)(1)", "production")
def test_production_does_not_receive_in_the_clear(tmp_path: Path) -> None:
    platform, _ = folder_settings(tmp_path, "postgresql://nobody/")
    production = platform.model_copy(update={"profile": "production"})
    everywhere = DimseSettings(port=1, host="0.0.0.0")
    assert tls_context(everywhere, platform) is None
    assert tls_context(DimseSettings(port=1), production) is None
    with pytest.raises(Misconfigured, match="plaintext_dimse"):
        tls_context(everywhere, production)
    with pytest.raises(Misconfigured, match="bad_tls_files"):
        tls_context(DimseSettings(port=1, tls_cert_file=tmp_path / "none"), platform)


def test_nobody_is_let_in_by_default() -> None:
    with pytest.raises(Misconfigured, match="no_dimse_peers"):
        Peers(" , ")
    peers = Peers("A@10.0.0.1, A@10.0.0.2,B")
    allowed = [("A", "10.0.0.2"), ("B", "x"), ("B ", "y")]
    assert all(peers.may_send(*each) for each in allowed)
    assert not any(peers.may_send(*each) for each in [("A", "10.0.0.3"), ("C", "x"), ("", "")])


def test_every_refusal_has_a_status_of_the_standard() -> None:
    assert status_of(Receipt("duplicate")) == 0
    assert status_of(Receipt("left_out", "unsupported_modality")) == 0x0122
    assert status_of(Receipt("refused", "something new")) == 0xC000
