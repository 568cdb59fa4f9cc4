from collections.abc import Iterator, Mapping
from os import PathLike
from typing import Any, Literal, NamedTuple, Self

from typing_extensions import Buffer

from . import _sharedring
from ._sharedring import AlreadyExists as AlreadyExists
from ._sharedring import AlreadyWaiting as AlreadyWaiting
from ._sharedring import BoardFull as BoardFull
from ._sharedring import CallClosed as CallClosed
from ._sharedring import CallDropped as CallDropped
from ._sharedring import CallError as CallError
from ._sharedring import CallFailed as CallFailed
from ._sharedring import CallMalformed as CallMalformed
from ._sharedring import CallNotExecuted as CallNotExecuted
from ._sharedring import CallRefused as CallRefused
from ._sharedring import CallRequest as CallRequest
from ._sharedring import CallStillOpen as CallStillOpen
from ._sharedring import CallUnknown as CallUnknown
from ._sharedring import Cancelled as Cancelled
from ._sharedring import Claim as Claim
from ._sharedring import Closed as Closed
from ._sharedring import Damaged as Damaged
from ._sharedring import DifferentShape as DifferentShape
from ._sharedring import EntryNotFound as EntryNotFound
from ._sharedring import Error as Error
from ._sharedring import Forked as Forked
from ._sharedring import Incompatible as Incompatible
from ._sharedring import InUse as InUse
from ._sharedring import InvalidName as InvalidName
from ._sharedring import InvalidOption as InvalidOption
from ._sharedring import Message as Message
from ._sharedring import MessageTooLarge as MessageTooLarge
from ._sharedring import Misuse as Misuse
from ._sharedring import NotARing as NotARing
from ._sharedring import NotFlushed as NotFlushed
from ._sharedring import NotFound as NotFound
from ._sharedring import NotSealed as NotSealed
from ._sharedring import OutOfSpace as OutOfSpace
from ._sharedring import PeerClosed as PeerClosed
from ._sharedring import PeerDied as PeerDied
from ._sharedring import Poisoned as Poisoned
from ._sharedring import Replaced as Replaced
from ._sharedring import RoleTaken as RoleTaken
from ._sharedring import SystemFailure as SystemFailure
from ._sharedring import TimedOut as TimedOut
from ._sharedring import WriterTooFast as WriterTooFast
from ._sharedring import WrongOwner as WrongOwner

_Waiting = Literal["adaptive", "spin", "sleep"]
_Path = str | bytes | PathLike[str] | PathLike[bytes]
_Mode = Literal["open_or_create", "open", "create"]

class Ends(NamedTuple):
    closed: int
    died: int

class End(NamedTuple):
    lane: int
    died: bool
    pid: int
    name: str

class Missed(NamedTuple):
    messages: int
    bytes: int

class Value(NamedTuple):
    bytes: bytes
    version: int
    tag: int
    time: float | None

class Producer(_sharedring.Producer):
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: object, error: object, traceback: object) -> None: ...
    async def send_async(self, data: Buffer, tag: int = 0, timeout: float | None = None) -> None: ...

class Consumer(_sharedring.Consumer):
    @property
    def ended(self) -> bool: ...
    @property
    def ends(self) -> Ends: ...
    def next_end(self) -> End | None: ...
    @property
    def missed(self) -> Missed: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: object, error: object, traceback: object) -> None: ...
    def iter_bytes(self) -> Iterator[bytes]: ...
    async def receive_async(self, timeout: float | None = None) -> Message | None: ...
    async def receive_bytes_async(self, timeout: float | None = None) -> bytes | None: ...
    def __aiter__(self) -> Self: ...
    async def __anext__(self) -> Message: ...

class Ring(_sharedring.Ring):
    name: _Path | None
    kind: str
    def __new__(
        cls,
        name: _Path | None = None,
        kind: Literal["spsc", "mpsc", "broadcast", "board", "call"] = "spsc",
        *,
        mode: _Mode = "open_or_create",
        descriptor: int = -1,
        directory: _Path | None = None,
        label: str | None = None,
        capacity: int = 0,
        lanes: int = 0,
        subscribers: int = 0,
        entries: int = 0,
        clients: int = 0,
        servers: int = 0,
        request_capacity: int = 0,
        reply_capacity: int = 0,
        record_alignment: int = 0,
        permissions: int = 0,
        total_order: bool = False,
        keeps_time: bool = False,
        barrier: Literal["automatic", "asymmetric", "symmetric"] = "automatic",
        any_owner: bool = False,
        durable: bool = False,
        accepts_unflushed: bool = False,
        persistent: bool = False,
        must_match: bool = False,
    ) -> Self: ...
    def producer(self, *, waiting: _Waiting = "adaptive", check_interval: float = 0.1, prefault: bool = False) -> Producer: ...
    def publisher(self, *, waiting: _Waiting = "adaptive", check_interval: float = 0.1, prefault: bool = False) -> Producer: ...
    def consumer(
        self,
        *,
        waiting: _Waiting = "adaptive",
        manual: bool = False,
        check_interval: float = 0.1,
        budget: int = 0,
        prefault: bool = False,
        read_only: bool = False,
        ends: int = 0,
        ends_since_made: bool = False,
        lossy: bool = False,
        start: Literal["now", "oldest"] | int = "now",
    ) -> Consumer: ...
    def subscriber(
        self,
        *,
        waiting: _Waiting = "adaptive",
        manual: bool = False,
        check_interval: float = 0.1,
        budget: int = 0,
        prefault: bool = False,
        read_only: bool = False,
        ends: int = 0,
        ends_since_made: bool = False,
        lossy: bool = False,
        start: Literal["now", "oldest"] | int = "now",
    ) -> Consumer: ...

class Board(Mapping[str, bytes]):
    def __init__(
        self,
        name: _Path | None = None,
        *,
        mode: _Mode = "open_or_create",
        waiting: _Waiting = "adaptive",
        check_interval: float = 0.1,
        descriptor: int = -1,
        directory: _Path | None = None,
        label: str | None = None,
        capacity: int = 0,
        entries: int = 0,
        permissions: int = 0,
        keeps_time: bool = False,
        any_owner: bool = False,
        durable: bool = False,
        accepts_unflushed: bool = False,
    ) -> None: ...
    def descriptor(self, inheritable: bool = False) -> int: ...
    def add(self, key: str, capacity: int) -> None: ...
    def get_value(self, key: str) -> Value | None: ...
    def __getitem__(self, key: str) -> bytes: ...
    def __setitem__(self, key: str, value: Buffer) -> None: ...
    def set(self, key: str, value: Buffer, tag: int = 0) -> None: ...
    def release(self, key: str) -> None: ...
    def entries(self) -> list[str]: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def snapshot(self) -> dict[str, Value | None]: ...
    def wait(self, timeout: float | None = None) -> str: ...
    async def wait_async(self, timeout: float | None = None) -> str: ...
    def cancel(self, cancelled: bool = True) -> None: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

class CallClient(_sharedring.CallClient):
    async def call_async(self, data: Buffer, timeout: float | None = None, retrying: str | None = None) -> bytes: ...
    def drop(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: object, error: object, traceback: object) -> None: ...

class CallServer(_sharedring.CallServer):
    async def next_async(self, timeout: float | None = None) -> CallRequest: ...
    def __aiter__(self) -> Self: ...
    async def __anext__(self) -> CallRequest: ...
    def drop(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: object, error: object, traceback: object) -> None: ...

class Service:
    def __init__(
        self,
        name: _Path | None = None,
        *,
        mode: _Mode = "open_or_create",
        clients: int = 0,
        servers: int = 0,
        request_capacity: int = 0,
        reply_capacity: int = 0,
        descriptor: int = -1,
        directory: _Path | None = None,
        label: str | None = None,
        permissions: int = 0,
        barrier: Literal["automatic", "asymmetric", "symmetric"] = "automatic",
        any_owner: bool = False,
        durable: bool = False,
        accepts_unflushed: bool = False,
        must_match: bool = False,
    ) -> None: ...
    @property
    def name(self) -> _Path | None: ...
    def facts(self) -> dict[str, Any]: ...
    def descriptor(self, inheritable: bool = False) -> int: ...
    def client(self, *, waiting: _Waiting = "adaptive", check_interval: float = 0.1, prefault: bool = False) -> CallClient: ...
    def server(self, *, waiting: _Waiting = "adaptive", check_interval: float = 0.1, prefault: bool = False) -> CallServer: ...

def remove(name: _Path, *, directory: _Path | None = None, any_owner: bool = False) -> None: ...
def flush(name: _Path, *, directory: _Path, any_owner: bool = False) -> None: ...
