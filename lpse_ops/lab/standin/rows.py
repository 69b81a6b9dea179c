"""What the generator makes: rows of the public tables and the documents that belong to them."""

import hashlib
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lpse_ops.errors import UsageError
from lpse_ops.i18n import _

FIRST_TENDER = 1001
BIDDERS_PER_TENDER = 4
# Long, so that a lab restored from a snapshot two weeks later can still be drilled.
OFFER_DAYS = 21
# (akt_id, thp_id, days the stage lasts) of 001-base.sql; the stages chain, one begins where the one before ends.
STAGES = (
    (1, 1, 4),
    (2, 2, 3),
    (3, 3, 1),
    (5, 4, OFFER_DAYS),
    (6, 5, 1),
    (7, 5, 5),
    (8, 6, 2),
    (9, 6, 1),
    (11, 7, 5),
    (12, 8, 2),
    (13, 8, 10),
)
OFFER_STAGE = 5
WORKS = ("Pembangunan", "Rehabilitasi", "Pengadaan", "Pemeliharaan", "Jasa Konsultansi", "Peningkatan")
THINGS = (
    "Jalan",
    "Jembatan",
    "Gedung Sekolah",
    "Puskesmas",
    "Alat Kesehatan",
    "Irigasi",
    "Komputer",
    "Air Bersih",
)
PLACES = ("Tamiang Layang", "Ampah", "Dusun Timur", "Paku", "Pematang Karau", "Awang", "Raren Batuah")
TABLES = {
    "configuration": "cfg_category, cfg_sub_category, cfg_value",
    "panitia": "pnt_id, pnt_nama",
    "paket": "pkt_id, pnt_id, pkt_nama, pkt_pagu, pkt_hps, auditupdate",
    "lelang_seleksi": "lls_id, pkt_id, lls_status, auditupdate",
    "jadwal": "dtj_id, lls_id, akt_id, thp_id, dtj_tglawal, dtj_tglakhir, auditupdate",
    "rekanan": "rkn_id, rkn_nama, auditupdate",
    "peserta": "psr_id, lls_id, rkn_id, auditupdate",
    "standin_attachment": "att_id, att_name, att_path, att_size, att_sha256, auditupdate",
    "dok_penawaran": "dok_id, psr_id, dok_jenis, dok_tgljam, dok_id_attachment, auditupdate",
    "ekontrak.nonlelang_seleksi": "lls_id, pkt_nama, pkt_pagu, lls_status, auditupdate",
    "ekontrak.jadwal": "dtj_id, lls_id, akt_id, dtj_tglawal, dtj_tglakhir, auditupdate",
}


@dataclass(frozen=True)
class Request:
    """How many tenders and documents, bytes a document, seed, and the local moment the data plays at."""

    tenders: int
    documents: int
    document_size: int
    seed: int
    at: datetime


@dataclass(frozen=True)
class Document:
    """One bid document: its path below ``attachments.path`` and its bytes."""

    path: str
    content: bytes


@dataclass
class Plan:
    """Rows by table, and the documents, made again from their seeds when asked for."""

    request: Request
    rows: dict[str, list[tuple[object, ...]]] = field(default_factory=lambda: {table: [] for table in TABLES})
    paths: list[str] = field(default_factory=list)

    def documents(self) -> Iterator[Document]:
        """Yield every document, in the order of the rows."""
        for number, path in enumerate(self.paths):
            yield Document(path, content(self.request, number))

    def sql(self) -> str:
        """Return the rows as one transaction for psql; a second load fails as a whole."""
        parts = ["\\set ON_ERROR_STOP on\nBEGIN;\n"]
        for table, columns in TABLES.items():
            parts.append(f"COPY {table} ({columns}) FROM stdin;\n")
            parts.extend("\t".join(str(value) for value in row) + "\n" for row in self.rows[table])
            parts.append("\\.\n")
        for table, column in (("standin_attachment", "att_id"), ("dok_penawaran", "dok_id")):
            # S608: both names are the constants above.
            last = f"SELECT coalesce(max({column}), 0) + 1 FROM {table}"  # noqa: S608
            parts.append(f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), ({last}), false);\n")
        return "".join([*parts, "COMMIT;\n", *(f"ANALYZE {table};\n" for table in TABLES)])


def make(request: Request) -> Plan:
    """Given a request, return its rows and documents. Raise UsageError if its numbers make no sense."""
    if request.tenders < 1 or request.documents < 0 or request.document_size < 0:
        raise UsageError(
            _("At least one tender is needed, and neither documents nor their size can be negative.")
        )
    dice = random.Random(request.seed)  # noqa: S311 - must be repeatable
    plan = Plan(request)
    _offices(plan)
    for number in range(request.tenders):
        _tender(plan, dice, number)
    _offers(plan, dice)
    _direct(plan, dice)
    return plan


def content(request: Request, number: int) -> bytes:
    """Return the bytes of the document with that number (from 0)."""
    return random.Random(f"{request.seed}/{number}").randbytes(request.document_size)  # noqa: S311


def _offices(plan: Plan) -> None:
    plan.rows["configuration"] = [
        ("CONFIG", "ppe.nama", "LPSE Kabupaten Contoh"),
        ("CONFIG", "ppe.id", "999"),
    ]
    plan.rows["panitia"] = [(1, "Pokja Pemilihan 1"), (2, "Pokja Pemilihan 2")]
    bidders = max(BIDDERS_PER_TENDER, 20)
    plan.rows["rekanan"] = [(n, f"CV Contoh {n:02d}", plan.request.at) for n in range(1, bidders + 1)]


def _tender(plan: Plan, dice: random.Random, number: int) -> None:
    tender, at = FIRST_TENDER + number, plan.request.at
    budget = dice.randrange(200, 9000) * 1_000_000
    name = f"{dice.choice(WORKS)} {dice.choice(THINGS)} {dice.choice(PLACES)}"
    changed = at - timedelta(days=12, minutes=dice.randrange(1000))
    plan.rows["paket"].append((tender, 1 + number % 2, name, budget, budget * 98 // 100, changed))
    plan.rows["lelang_seleksi"].append((tender, tender, 1, changed))
    begins = at - timedelta(days=_age(number), minutes=dice.randrange(60))
    for stage, (activity, phase, days) in enumerate(STAGES):
        ends = begins + timedelta(days=days)
        plan.rows["jadwal"].append((tender * 100 + stage, tender, activity, phase, begins, ends, changed))
        begins = ends
    first = dice.randrange(20)
    for bidder in range(BIDDERS_PER_TENDER):
        plan.rows["peserta"].append((tender * 100 + bidder, tender, 1 + (first + bidder) % 20, changed))


def _age(number: int) -> int:
    """Days since its announcement: of every five, three take offers (day 8 to 29), one not yet, one no more."""
    return (10, 11, 12, 2, 31)[number % 5]


def _offers(plan: Plan, dice: random.Random) -> None:
    receiving: Sequence[int] = [n for n in range(plan.request.tenders) if n % 5 in {0, 1, 2, 4}]
    for number in range(plan.request.documents):
        index = receiving[number % len(receiving)]
        begins = plan.request.at - timedelta(days=_age(index) - 8)
        latest = min(plan.request.at, begins + timedelta(days=OFFER_DAYS)) - timedelta(minutes=61)
        sent = begins + (latest - begins) * dice.random()
        sent = sent.replace(microsecond=0)
        name = str(uuid.UUID(int=dice.getrandbits(128), version=4))
        path = f"{sent:%Y/%m/%d}/{name[:2]}/{name}.rhs"
        digest = hashlib.sha256(content(plan.request, number)).hexdigest()
        bidder = (FIRST_TENDER + index) * 100 + number // len(receiving) % BIDDERS_PER_TENDER
        plan.paths.append(path)
        size = plan.request.document_size
        plan.rows["standin_attachment"].append((number + 1, f"{name}.rhs", path, size, digest, sent))
        plan.rows["dok_penawaran"].append((number + 1, bidder, 1, sent, number + 1, sent))


def _direct(plan: Plan, dice: random.Random) -> None:
    at = plan.request.at
    for number in range(max(1, plan.request.tenders // 4)):
        tender, budget = 500_001 + number, dice.randrange(20, 200) * 1_000_000
        plan.rows["ekontrak.nonlelang_seleksi"].append(
            (tender, f"Pengadaan Langsung {dice.choice(THINGS)}", budget, 1, at)
        )
        stage = (tender, tender, OFFER_STAGE, at - timedelta(days=1), at + timedelta(days=3), at)
        plan.rows["ekontrak.jadwal"].append(stage)
