"""Messages between processes through lock-free rings in shared memory.

    import sharedring

    with sharedring.Ring("prices").consumer() as consumer:
        for message in consumer:
            print(message.tag, bytes(message))

The other side may be a program in Python, C, C++, Rust or Swift: the segment is the same. README.md is the guide.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from . import _sharedring
from ._sharedring import (
    AlreadyExists,
    AlreadyWaiting,
    BoardFull,
    CallClosed,
    CallDropped,
    CallError,
    CallFailed,
    CallMalformed,
    CallNotExecuted,
    CallRefused,
    CallRequest,
    CallStillOpen,
    CallUnknown,
    Cancelled,
    Claim,
    Closed,
    Damaged,
    DifferentShape,
    EntryNotFound,
    Error,
    Forked,
    Incompatible,
    InUse,
    InvalidName,
    InvalidOption,
    Message,
    MessageTooLarge,
    Misuse,
    NotARing,
    NotFlushed,
    NotFound,
    NotSealed,
    OutOfSpace,
    PeerClosed,
    PeerDied,
    Poisoned,
    Replaced,
    RoleTaken,
    SystemFailure,
    TimedOut,
    WriterTooFast,
    WrongOwner,
)

__all__ = [
    "AlreadyExists",
    "AlreadyWaiting",
    "Board",
    "BoardFull",
    "CallClient",
    "CallClosed",
    "CallDropped",
    "CallError",
    "CallFailed",
    "CallMalformed",
    "CallNotExecuted",
    "CallRefused",
    "CallRequest",
    "CallServer",
    "CallStillOpen",
    "CallUnknown",
    "Cancelled",
    "Claim",
    "Closed",
    "Consumer",
    "Damaged",
    "DifferentShape",
    "End",
    "Ends",
    "EntryNotFound",
    "Error",
    "Forked",
    "InUse",
    "Incompatible",
    "InvalidName",
    "InvalidOption",
    "Message",
    "MessageTooLarge",
    "Missed",
    "Misuse",
    "NotARing",
    "NotFlushed",
    "NotFound",
    "NotSealed",
    "OutOfSpace",
    "PeerClosed",
    "PeerDied",
    "Poisoned",
    "Producer",
    "Replaced",
    "Ring",
    "RoleTaken",
    "Service",
    "SystemFailure",
    "TimedOut",
    "Value",
    "WriterTooFast",
    "WrongOwner",
    "flush",
    "remove",
]

_KINDS = {"spsc": 1, "mpsc": 2, "broadcast": 3, "board": 4, "call": 5}
_WAITING = {"adaptive": 0, "spin": 1, "sleep": 2}
_BARRIERS = {"automatic": 0, "asymmetric": 1, "symmetric": 2}
_STARTS = {"now": -1, "oldest": -2}


def _choice(what, table, value):
    try:
        return table[value]
    except (KeyError, TypeError):
        raise ValueError(f"{what} must be one of {', '.join(table)}, not {value!r}") from None


class Ends(NamedTuple):
    """How producers have ended so far."""

    closed: int
    died: int


class End(NamedTuple):
    """How one producer ended. `pid` and `name` are what it had signed; 0 and "": a successor has signed since."""

    lane: int
    died: bool
    pid: int
    name: str


class Missed(NamedTuple):
    """What a lossy subscriber did not get."""

    messages: int
    bytes: int


class Value(NamedTuple):
    """A board's value: a copy. `version` counts how often the entry was set; `time` is its writing, in seconds since 1970, or None."""

    bytes: bytes
    version: int
    tag: int
    time: float | None


class _Closing:
    """`with`: closes at the end; where an exception ends it, the role ends without a close, which the other side reads as a death."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        try:
            if kind is None or not issubclass(kind, Exception):  # Ctrl-C, a cancelled task: an end in order
                self.close()
            else:
                self.drop()
        except (BufferError, RuntimeError, Error):
            # The exception under way is not replaced. Its own frames may hold a view: then the role ends with the last view, without a close.
            if kind is None:
                raise


_cancel_flags = threading.RLock()  # reentrant: a signal handler may cancel


class Producer(_Closing, _sharedring.Producer):
    """Sends. One thread uses it at a time; `cancel` may be called from any."""

    _sending = _executor = None
    _is_cancelled = _is_task_cancelled = False

    def cancel(self, cancelled=True, /):
        """Ends the wait under way and those to come with `Cancelled`; False allows them again."""
        with _cancel_flags:
            self._is_cancelled = bool(cancelled)
            super().cancel(self._is_cancelled or self._is_task_cancelled)

    def _cancel_task(self, cancelled):
        with _cancel_flags:
            self._is_task_cancelled = cancelled
            super().cancel(self._is_cancelled or self._is_task_cancelled)

    async def send_async(self, data, tag=0, timeout=None):
        """`send`, without holding the event loop: where there is no room, a thread of this producer's waits.

        Tasks send in the order in which they called. A task that is cancelled ends its wait; its message was sent or was not, as of any cancelled call.
        """
        import asyncio

        loop = asyncio.get_running_loop()
        if self._sending is None or self._sending[0] is not loop:
            self._sending = loop, asyncio.Lock()
        async with self._sending[1]:
            if self.try_send(data, tag):
                return
            if self._executor is None:
                from concurrent.futures import ThreadPoolExecutor

                self._executor = ThreadPoolExecutor(1, "sharedring-send")  # not the loop's own: waits must not use up its threads
            waiting = loop.run_in_executor(self._executor, self.send, data, tag, timeout)
            try:
                await asyncio.shield(waiting)
            except asyncio.CancelledError:
                self._cancel_task(True)
                try:
                    while not waiting.done():  # asyncio.wait leaves what it waits for alone, also when this task is cancelled again
                        try:
                            await asyncio.wait([waiting])
                        except asyncio.CancelledError:
                            pass
                finally:
                    self._cancel_task(False)
                if not waiting.cancelled():
                    waiting.exception()  # it is taken note of; the cancellation is what ends this task
                raise


def _deadline(timeout):
    """The event loop's time at which so many seconds have passed; None: never."""
    if timeout is None:
        return None
    seconds = float(timeout)
    if not seconds >= 0:
        raise ValueError(f"a timeout is a number of seconds from 0 on, or None, not {timeout!r}")
    import asyncio  # here: it takes longer to import than all else

    return asyncio.get_running_loop().time() + seconds if seconds < 9e9 else None


class _Pending:
    """A task that waits for a descriptor in an event loop."""

    def __init__(self, loop, descriptor):
        self.loop, self.descriptor, self.future = loop, descriptor, loop.create_future()

    def watch(self):
        self.loop.add_reader(self.descriptor, self._ready)

    def forget(self):
        if not self.loop.is_closed():
            self.loop.remove_reader(self.descriptor)

    def fail(self, error):
        if not self.future.done() and not self.loop.is_closed():
            self.future.set_exception(error)

    def _ready(self):
        if not self.future.done():
            self.future.set_result(None)

    def is_anothers(self):
        """Whether the loop runs in another thread: its descriptors must be left alone then."""
        import asyncio

        try:
            return self.loop.is_running() and asyncio.get_running_loop() is not self.loop
        except RuntimeError:
            return True


class _Awaiting:
    """Waits for a descriptor in an event loop. The endpoint's own thread waits meanwhile, without the GIL. One task at a time waits."""

    _pending = None

    def _require_no_task(self):
        if self._pending is not None:
            raise RuntimeError(f"another task waits with this {type(self).__name__.lower()}")

    async def _readable(self, endpoint, deadline):
        """Arms the endpoint, and returns when its descriptor is readable. However this ends, the endpoint is the caller's again."""
        import asyncio

        endpoint.arm()
        self._pending = pending = _Pending(asyncio.get_running_loop(), endpoint.fileno())
        try:
            pending.watch()
            async with asyncio.timeout_at(deadline):
                await pending.future
        except TimeoutError:
            raise TimedOut("nothing came before the deadline") from None
        finally:
            if self._pending is pending:  # otherwise it was closed meanwhile
                self._pending = None
                pending.forget()
                endpoint.disarm()

    def _end(self, end):
        """Ends the endpoint. The event loop forgets the descriptor before it is closed, or a later one of that number would be taken for it; the task gets `Closed`."""
        pending = self._pending
        if pending is None:
            return end()
        if pending.is_anothers():
            raise RuntimeError(f"a task of another thread waits with this {type(self).__name__.lower()}")
        pending.forget()
        self._pending = None
        try:
            end()
        except (BufferError, RuntimeError):  # it was refused, so the task waits on
            self._pending = pending
            pending.watch()
            raise
        except BaseException:
            pending.fail(Closed("it was closed while a task waited"))
            raise
        pending.fail(Closed("it was closed while a task waited"))


class Consumer(_Awaiting, _Closing, _sharedring.Consumer):
    """Receives. A message is valid until the next call with its consumer; a view of it that is still open then raises BufferError."""

    @property
    def ended(self) -> bool:
        """Whether the last call found the end of the stream."""
        return self._has_ended()

    @property
    def ends(self) -> Ends:
        return Ends(*self._ends())

    def next_end(self) -> End | None:
        """The oldest end of a producer that was not taken. A wait with a timeout finds deaths within a check interval."""
        end = self._next_end()
        return None if end is None else End(*end)

    @property
    def missed(self) -> Missed:
        return Missed(*self._missed())

    def close(self) -> None:
        self._end(super().close)

    def drop(self) -> None:
        self._end(super().drop)

    def iter_bytes(self) -> Iterator[bytes]:
        """Each message as bytes, to the end of the stream: a copy a message, and no lifetime to mind."""
        return iter(self.receive_bytes, None)

    async def receive_async(self, timeout=None):
        """`receive` for asyncio: the next message, or None at the end of the stream. One task at a time calls it."""
        self._require_no_task()
        deadline = _deadline(timeout)
        self.fileno()
        while True:
            message = self.poll()
            if message is not None or self.ended:
                return message
            await self._readable(self, deadline)

    async def receive_bytes_async(self, timeout=None):
        message = await self.receive_async(timeout)
        return None if message is None else bytes(message)

    def __aiter__(self):
        return self

    async def __anext__(self):
        message = await self.receive_async()
        if message is None:
            raise StopAsyncIteration
        return message


def _open_descriptor(descriptor, kind):
    if not isinstance(descriptor, int):  # multiprocessing's, of a child that is being spawned
        descriptor = descriptor.detach()
    try:
        return Ring(descriptor=descriptor, kind=kind)
    finally:
        os.close(descriptor)


def _open_named(cls, name, kind, options):
    return cls(name, kind, mode="open", **options) if issubclass(cls, Ring) else cls(name, mode="open", **options)


class Ring(_sharedring.Ring):
    """A ring: found by its name, or made.

    name, directory: str, bytes or os.PathLike. A name is bytes, which need not be UTF-8.
    kind: "spsc", "mpsc", "broadcast".  mode: "open_or_create", "open", "create".  Without a name the ring is anonymous: it is handed over by pickling
    (multiprocessing's "spawn"), or as `descriptor()`.
    """

    def __new__(
        cls,
        name=None,
        kind="spsc",
        *,
        mode="open_or_create",
        descriptor=-1,
        directory=None,
        label=None,
        capacity=0,
        lanes=0,
        subscribers=0,
        entries=0,
        clients=0,
        servers=0,
        request_capacity=0,
        reply_capacity=0,
        record_alignment=0,
        permissions=0,
        total_order=False,
        keeps_time=False,
        barrier="automatic",
        any_owner=False,
        durable=False,
        accepts_unflushed=False,
        persistent=False,
        must_match=False,
    ):
        if mode not in ("open_or_create", "open", "create"):
            raise ValueError(f"mode must be open_or_create, open or create, not {mode!r}")
        self = super().__new__(
            cls,
            mode,
            name,
            descriptor,
            _choice("kind", _KINDS, kind),
            directory,
            label,
            capacity,
            lanes,
            subscribers,
            entries,
            clients,
            servers,
            request_capacity,
            reply_capacity,
            record_alignment,
            permissions,
            total_order,
            keeps_time,
            _choice("barrier", _BARRIERS, barrier),
            int(any_owner),
            durable,
            accepts_unflushed,
            persistent,
            must_match,
        )
        self.name, self.kind = None if descriptor >= 0 else name, kind  # a descriptor leads to an anonymous ring
        self._options = {"directory": directory, "any_owner": any_owner, "accepts_unflushed": accepts_unflushed}  # what finds it again
        return self

    def producer(self, *, waiting="adaptive", check_interval=0.1, prefault=False) -> Producer:
        """Becomes the producer of the first lane that is free, or the publisher of a broadcast."""
        return Producer(self, _choice("waiting", _WAITING, waiting), False, check_interval, 0, prefault)

    publisher = producer

    def consumer(
        self,
        *,
        waiting="adaptive",
        manual=False,
        check_interval=0.1,
        budget=0,
        prefault=False,
        read_only=False,
        ends=0,
        ends_since_made=False,
        lossy=False,
        start="now",
    ) -> Consumer:
        """Becomes the consumer, or a subscriber of a broadcast.

        manual: space is given back by `acknowledge` alone.  ends: an MPSC consumer ends when so many producers or more have come and all have gone; 0: never.
        lossy: a subscriber that the publisher never waits for.  start: of a subscriber, "now", "oldest", or the number of the last messages.
        """
        first = start if isinstance(start, int) and start > 0 else _choice("start", _STARTS, start)
        return Consumer(
            self,
            _choice("waiting", _WAITING, waiting),
            manual,
            check_interval,
            budget,
            prefault,
            read_only,
            ends,
            ends_since_made,
            lossy,
            first,
        )

    subscriber = consumer

    def __reduce__(self):
        if self.name is not None:
            return _open_named, (type(self), self.name, self.kind, self._options)
        from multiprocessing import context, reduction, util

        process = context.get_spawning_popen()
        if process is None:
            raise TypeError("an anonymous ring is pickled for a process that is being spawned, or handed over as descriptor()")
        descriptor = self.descriptor()
        util.Finalize(process, os.close, (descriptor,))  # the child has its own by then
        return _open_descriptor, (reduction.DupFd(descriptor), self.kind)

    def __repr__(self):
        return f"<sharedring.Ring {self.name!r} {self.kind}>"


class Board(_Awaiting, Mapping):
    """The latest value of each key. As a mapping it has the keys whose entries were set; `entries` are all.

    board["price"] = b"17"      sets it: this process becomes the key's writer, until `close` or `release`
    board["price"]              a copy of its newest value
    """

    def __init__(self, name=None, *, mode="open_or_create", waiting="adaptive", check_interval=0.1, **options):
        self._ring = Ring(name, "board", mode=mode, **options)
        self._arguments = {"waiting": waiting, "check_interval": check_interval}
        self._reader = _sharedring.BoardReader(self._ring, None, _choice("waiting", _WAITING, waiting), check_interval)
        self._writers = {}

    def descriptor(self, inheritable: bool = False) -> int:
        """A new descriptor of an anonymous board; the caller's to close."""
        return self._ring.descriptor(inheritable)

    def add(self, key: str, capacity: int) -> None:
        """Adds an entry for values of at most so many bytes, or finds it."""
        self._ring.add_entry(key, capacity)

    def get_value(self, key: str) -> Value | None:
        """The newest value with its version, tag and time; None: the entry was never set."""
        found = self._reader.get(key)
        return None if found is None else self._value(found)

    @staticmethod
    def _value(found):
        return Value(*found[:3], found[3] / 1e9 if found[3] else None)

    def __getitem__(self, key: str) -> bytes:
        found = self._reader.get(key)
        if found is None:
            raise KeyError(key)
        return found[0]

    def __setitem__(self, key: str, value) -> None:
        self.set(key, value)

    def set(self, key: str, value, tag: int = 0) -> None:
        writer = self._writers.get(key)
        if writer is None:
            writer = self._writers[key] = _sharedring.BoardWriter(self._ring, key)
        writer.set(value, tag)

    def release(self, key: str) -> None:
        """This process is the key's writer no more."""
        writer = self._writers.pop(key, None)
        if writer is not None:
            writer.close()

    def entries(self) -> list[str]:
        """The keys of all entries, also of those that were never set."""
        return self._reader.keys()

    def _values(self) -> dict[str, bytes]:
        """What was set, of one moment."""
        return {key: value for key, value, *_ in self._reader.snapshot() if value is not None}

    def keys(self):
        """The keys that were set. `items` and `values` are of one moment, and what they hold counts as reported; keys do not report."""
        return dict.fromkeys(self._reader.keys(True)).keys()

    def items(self):
        return self._values().items()

    def values(self):
        return self._values().values()

    def __iter__(self):
        return iter(self._reader.keys(True))

    def __len__(self):
        return len(self._reader.keys(True))

    def __contains__(self, key):
        return key in self._reader.keys(True)

    def __eq__(self, other):
        if not isinstance(other, Mapping):
            return NotImplemented
        return self._values() == dict(other.items())

    __hash__ = None

    def snapshot(self) -> dict[str, Value | None]:
        """All values as they stood at one moment."""
        return {key: None if value is None else self._value((value, *rest)) for key, value, *rest in self._reader.snapshot()}

    def wait(self, timeout=None) -> str:
        """Waits until an entry was set that this board has not reported yet. Its key."""
        key = self._reader.wait(timeout)
        if key is None:
            raise TimedOut("no entry was set")
        return key

    async def wait_async(self, timeout=None) -> str:
        """`wait` for asyncio. One task at a time waits; others may read and set values meanwhile."""
        self._require_no_task()
        deadline = _deadline(timeout)
        self._reader.fileno()
        while True:
            key = self._reader.wait(0)
            if key is not None:
                return key
            await self._readable(self._reader, deadline)

    def cancel(self, cancelled=True) -> None:
        self._reader.cancel(cancelled)

    def fileno(self) -> int:
        return self._reader.fileno()

    def close(self) -> None:
        self._end(self._close)

    def _close(self) -> None:
        for key in list(self._writers):
            self.release(key)
        self._reader.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        try:
            self.close()
        except (RuntimeError, Error):  # the exception under way is not replaced
            if kind is None:
                raise

    def __reduce__(self):
        if self._ring.name is None:
            raise TypeError("an anonymous board can't be pickled")
        return _open_named, (type(self), self._ring.name, "board", {**self._ring._options, **self._arguments})


class CallClient(_Awaiting, _Closing, _sharedring.CallClient):
    """Makes calls, one at a time: a client for each thread or task that calls.

    `call` returns the reply, or raises a `CallError` by its outcome: `CallFailed` (`CallRefused`, `CallDropped`, `CallClosed`, `CallMalformed`),
    `CallNotExecuted`, `CallUnknown` or `CallStillOpen`. What ended the call is a class of it, too: `TimedOut`, `Cancelled`, `PeerDied`, ….
    """

    async def call_async(self, data, timeout=None, retrying=None) -> bytes:
        """`call` for asyncio. A task that is cancelled ends its call: it is withdrawn, if no server has started it."""
        self._require_no_task()
        deadline = _deadline(timeout)
        self.fileno()
        try:
            while not self._post(data, retrying):
                await self._readable(self, deadline)
            while (reply := self._poll()) is None:
                await self._readable(self, deadline)
            return reply
        except (CallError, Closed):
            raise
        except Error as error:  # what ended the wait
            reason = error
        except BaseException:
            self._abandon()
            raise
        return self._give_up(isinstance(reason, TimedOut))

    def _abandon(self) -> None:
        try:
            self._give_up(False)
        except (Error, RuntimeError):  # its outcome; or it was closed
            pass

    def close(self) -> None:
        """Ends the client. A call under way is withdrawn, or given up."""
        self._end(super().close)

    drop = close


class CallServer(_Awaiting, _Closing, _sharedring.CallServer):
    """Answers calls: `for request in server: request.reply(...)`. Several servers share the work.

    A request may be answered later, in any order, from any thread. One that is forgotten without an answer fails: `CallDropped`.
    """

    async def next_async(self, timeout=None):
        """`next` for asyncio. One task at a time waits; others may answer meanwhile."""
        self._require_no_task()
        deadline = _deadline(timeout)
        self.fileno()
        while (request := self.poll()) is None:
            await self._readable(self, deadline)
        return request

    def __aiter__(self):
        return self

    async def __anext__(self):
        return await self.next_async()

    def close(self) -> None:
        """Ends the server. Calls that it has started fail (`CallClosed`); the others wait for the next server."""
        self._end(super().close)

    drop = close


def _service_of(cls, ring):
    service = cls.__new__(cls)
    service._ring = ring
    return service


class Service:
    """Request and reply: found by its name, or made.

    clients: how many at a time [64].  servers: how many at a time [8].  request_capacity, reply_capacity: the largest, in bytes [4,096].  Otherwise as `Ring`;
    it holds no role, and is pickled like one.
    """

    def __init__(self, name=None, *, mode="open_or_create", clients=0, servers=0, request_capacity=0, reply_capacity=0, **options):
        self._ring = Ring(
            name, "call", mode=mode, clients=clients, servers=servers, request_capacity=request_capacity, reply_capacity=reply_capacity, **options
        )

    @property
    def name(self):
        return self._ring.name

    def facts(self) -> dict:
        return self._ring.facts()

    def descriptor(self, inheritable: bool = False) -> int:
        """A new descriptor of an anonymous service; the caller's to close."""
        return self._ring.descriptor(inheritable)

    def client(self, *, waiting="adaptive", check_interval=0.1, prefault=False) -> CallClient:
        """Becomes a client: it takes one of the service's slots."""
        return CallClient(self._ring, _choice("waiting", _WAITING, waiting), check_interval, prefault)

    def server(self, *, waiting="adaptive", check_interval=0.1, prefault=False) -> CallServer:
        """Becomes one of the service's servers."""
        return CallServer(self._ring, _choice("waiting", _WAITING, waiting), check_interval, prefault)

    def __reduce__(self):
        return _service_of, (type(self), self._ring)

    def __repr__(self):
        return f"<sharedring.Service {self.name!r}>"


def remove(name, *, directory=None, any_owner: bool = False) -> None:
    """Takes the name of a ring, board or service away, if no process is attached."""
    _sharedring.remove(name, directory, int(any_owner))


def flush(name, *, directory, any_owner: bool = False) -> None:
    """Brings a durable ring that no process is attached to to its disk."""
    _sharedring.remove(name, directory, int(any_owner), True)
