"""What the package promises, a test a promise. Runs with pytest or alone: python tests/test_sharedring.py

Waits are bounded by PATIENCE, which only ends a test that hangs.
"""

import array
import asyncio
import fcntl
import gc
import itertools
import multiprocessing
import os
import pathlib
import pickle
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

import sharedring

PATIENCE = 120


def pair(kind="spsc", **options):
    ring = sharedring.Ring(kind=kind, **{"capacity": 4096, **options})
    return ring, ring.consumer(check_interval=0.005, ends=1), ring.producer(check_interval=0.005)


def raises(error, call, *arguments, **keywords):
    try:
        call(*arguments, **keywords)
    except error as raised:
        return raised
    raise AssertionError(f"{call} raised no {error.__name__}")


def test_five_lines_to_a_link():
    name = f"py-{os.getpid()}"
    with sharedring.Ring(name).producer() as producer:
        producer.send(b"hello")
        with sharedring.Ring(name).consumer() as consumer:
            assert bytes(consumer.receive()) == b"hello"
    sharedring.remove(name)
    raises(sharedring.NotFound, sharedring.remove, name)


def test_names_are_bytes():
    with tempfile.TemporaryDirectory() as directory:
        name, options = b"caf\xe9", {"directory": os.fsencode(directory)}
        ring = sharedring.Ring(name, mode="create", **options)
        assert os.listdir(os.fsencode(directory)) == [name]
        with ring.producer() as producer:
            producer.send(b"x")
        for same in (name, os.fsdecode(name), pathlib.Path(os.fsdecode(name))):
            assert sharedring.Ring(same, mode="open", directory=pathlib.Path(directory)).name == same
        assert "caf\\xe9" in str(raises(sharedring.AlreadyExists, sharedring.Ring, name, mode="create", **options))
        raises(sharedring.NotFound, sharedring.Ring, "caf\u00e9", mode="open", **options)
        raises(ValueError, sharedring.Ring, b"a\0b", **options)
        raises(TypeError, sharedring.Ring, 7, **options)
        with pickle.loads(pickle.dumps(ring)).consumer() as consumer:
            assert bytes(consumer.receive(PATIENCE)) == b"x"
        sharedring.remove(name, directory=directory)
        raises(sharedring.NotFound, sharedring.remove, os.fsdecode(name), **options)


def test_messages_come_in_order_with_their_tags():
    for kind, options in (("spsc", {}), ("mpsc", {}), ("mpsc", {"total_order": True}), ("broadcast", {}), ("spsc", {"barrier": "symmetric"})):
        _, consumer, producer = pair(kind, **options)
        for number in range(3000):
            producer.send(b"x" * (number % 300), number)
            message = consumer.receive(PATIENCE)
            assert (len(message), message.tag, message.lane, bytes(message)) == (number % 300, number, 0, b"x" * (number % 300))
        producer.close()
        assert consumer.receive(PATIENCE) is None and consumer.ended and consumer.ends == (1, 0)
        consumer.close()


def test_iteration_ends_with_the_stream():
    _, consumer, producer = pair()
    assert producer.send_many([b"a", bytearray(b"b"), array.array("B", b"c"), memoryview(b"d")]) == 4
    producer.close()
    assert [bytes(message) for message in consumer] == [b"a", b"b", b"c", b"d"]
    _, consumer, producer = pair()
    producer.send_many(f"{i}".encode() for i in range(5))
    producer.close()
    assert list(consumer.iter_bytes()) == [b"0", b"1", b"2", b"3", b"4"]


def test_a_view_of_a_message_is_checked():
    _, consumer, producer = pair()
    producer.send(b"first")
    producer.send(b"second")
    message = consumer.receive()
    view = memoryview(message)
    assert view.readonly and bytes(view[1:3]) == b"ir"
    for call in (consumer.receive, consumer.poll, consumer.acknowledge, consumer.release, consumer.close):
        assert "release" in str(raises(BufferError, call))
    view.release()
    assert bytes(consumer.receive()) == b"second"
    raises(BufferError, memoryview, message)
    raises(BufferError, bytes, message)
    consumer.close()
    raises(sharedring.Closed, consumer.receive)


def test_a_view_keeps_its_consumer():
    _, consumer, producer = pair()
    producer.send(b"kept")
    view = memoryview(consumer.receive())
    del consumer
    gc.collect()
    assert bytes(view) == b"kept"


def test_a_message_that_is_dropped_gives_its_space_back():
    _, consumer, producer = pair()
    producer.send(b"x")
    message = consumer.receive()
    raises(sharedring.TimedOut, producer.wait_acknowledged, 0)
    del message
    producer.wait_acknowledged(PATIENCE)


def test_claims_are_written_in_place():
    _, consumer, producer = pair()
    with producer.claim(10) as claim:
        with memoryview(claim) as view:
            view[:5] = b"claim"
        raises(sharedring.Misuse, producer.send, b"meanwhile")
        claim.commit(5, tag=3)
    message = consumer.receive()
    assert (bytes(message), message.tag) == (b"claim", 3)
    claim = producer.claim(4)
    view = memoryview(claim)
    raises(BufferError, claim.commit)
    raises(BufferError, producer.close)
    view.release()
    claim.abandon()
    raises(sharedring.Misuse, claim.commit)
    raises(BufferError, memoryview, claim)
    try:
        with producer.claim(4):
            raise OSError
    except OSError:
        pass
    assert consumer.poll() is None
    raises(sharedring.MessageTooLarge, producer.claim, 5000)


def test_an_exception_is_not_replaced():
    """Views that the exception's frames hold would be refused at the end of a block; the exception is what its caller has to see."""
    for error in (KeyboardInterrupt, asyncio.CancelledError, OSError):
        held = []
        _, consumer, producer = pair()
        producer.send(b"x")

        def leave():
            with consumer:
                held.append(memoryview(consumer.receive()))
                raise error

        def leave_claim():
            with producer.claim(4) as claim:
                held.append(memoryview(claim))
                raise error

        raises(error, leave)
        raises(error, leave_claim)
        assert bytes(held[0]) == b"x"
        held.clear()
        assert producer.try_send(b"y")  # the claim has ended with its view
    _, consumer, producer = pair()
    producer.send(b"x")
    with consumer:
        view = memoryview(consumer.receive())
        raises(BufferError, consumer.close)
        view.release()


def test_numpy_arrays_without_a_copy():
    try:
        import numpy
    except ImportError:
        return print("numpy is not here", file=sys.stderr)
    _, consumer, producer = pair()
    with producer.claim(80) as claim:
        place = numpy.frombuffer(claim, dtype=numpy.float64)
        place[:] = numpy.arange(10)
        del place
    producer.send(numpy.arange(10, dtype=numpy.int32))
    message = consumer.receive()
    values = numpy.frombuffer(message, dtype=numpy.float64)
    assert values.sum() == 45 and not values.flags.writeable and not values.flags.owndata
    raises(BufferError, consumer.receive)
    del values
    assert numpy.frombuffer(consumer.receive(), dtype=numpy.int32).tolist() == list(range(10))


def test_manual_acknowledgement_redelivers():
    ring = sharedring.Ring(capacity=4096)
    producer, consumer = ring.producer(), ring.consumer(manual=True)
    for text in (b"a", b"b", b"c"):
        producer.send(text)
    assert bytes(consumer.receive()) == b"a"
    consumer.acknowledge()
    assert bytes(consumer.receive()) == b"b"
    consumer.close()
    with ring.consumer() as consumer:
        message = consumer.receive()
        assert bytes(message) == b"b"
        consumer.put_back()
        assert consumer.drain() == [b"b", b"c"]


def test_errors_have_their_codes():
    error = raises(sharedring.NotFound, sharedring.Ring, "no-such-ring", mode="open")
    assert error.code == "notFound" and "no-such-ring" in str(error) and isinstance(error, sharedring.Error)
    assert isinstance(raises(sharedring.InvalidName, sharedring.Ring, "a/b"), ValueError)
    assert isinstance(raises(sharedring.InvalidOption, sharedring.Ring, capacity=1 << 50), ValueError)
    ring, consumer, producer = pair()
    assert str(os.getpid()) in str(raises(sharedring.RoleTaken, ring.consumer))
    assert isinstance(raises(sharedring.TimedOut, consumer.receive, 0.001), TimeoutError)
    raises(sharedring.TimedOut, consumer.receive, timeout=0)
    for wrong in (-1, float("nan"), "soon"):
        raises((ValueError, TypeError), consumer.receive, wrong)
    raises(OverflowError, producer.send, b"x", 1 << 32)
    raises(TypeError, producer.send, "text")
    raises(TypeError, producer.send, b"x", label=1)
    raises(ValueError, sharedring.Ring, kind="queue")
    producer.drop()
    raises(sharedring.PeerDied, consumer.receive, PATIENCE)
    end = consumer.next_end()
    assert (end.lane, end.died, end.pid) == (0, True, os.getpid()) and consumer.next_end() is None
    del consumer
    producer = ring.producer(check_interval=0.005)
    producer.send(bytes(4000))
    raises(sharedring.PeerDied, producer.send, bytes(4000), timeout=PATIENCE)
    raises(sharedring.TimedOut, producer.send, bytes(4000), timeout=0.001)
    assert producer.try_send(bytes(4000)) is False and producer.free_bytes() < 4000


def test_every_error_has_its_number():
    """None where the system has none; also of the errors that the extension raises by itself."""
    _, consumer, producer = pair()
    claim = producer.claim(4)
    errors = [raises(sharedring.Misuse, producer.send, b"x"), raises(sharedring.TimedOut, consumer.receive, 0)]
    claim.abandon()
    producer.close()
    errors += [raises(sharedring.Closed, producer.send, b"x"), raises(sharedring.NotFound, sharedring.Ring, "no-such-ring", mode="open")]
    assert [error.errno for error in errors] == [None] * 4 and sharedring.Error("of a program's own").errno is None
    assert isinstance(raises(sharedring.SystemFailure, sharedring.Ring, descriptor=1 << 20).errno, int)


def test_numbers_are_not_cut():
    class Number:
        def __init__(self, value):
            self.value = value

        def __index__(self):
            return self.value

    _, consumer, producer = pair()
    board = sharedring.Board(capacity=65536)
    board.add("key", 8)
    with producer.claim(4) as claim:
        for wrong in (1 << 32, -1, 1 << 64):
            assert str(wrong) in str(raises(OverflowError, claim.commit, 4, wrong))
            raises(OverflowError, board.set, "key", b"", wrong)
    consumer.receive(PATIENCE)
    for wrong in (1 << 32, -1, 1 << 64):
        raises(OverflowError, producer.send, b"", wrong)
        raises(OverflowError, producer.try_send, b"", wrong)
        raises(OverflowError, producer.send_many, [b""], wrong)
        raises(OverflowError, producer.claim, 4, wrong)
        raises(OverflowError, producer.wait_consumers, wrong, 0)
        for option in ("lanes", "subscribers", "entries", "record_alignment", "permissions"):
            raises(OverflowError, sharedring.Ring, **{option: wrong})
        raises(OverflowError, sharedring.Ring().consumer, budget=wrong)
    for wrong in ((1 << 64) + 4096, -1):
        raises(OverflowError, sharedring.Ring, capacity=wrong)
        raises(OverflowError, board.add, "other", wrong)
        raises(OverflowError, sharedring._sharedring.board_size, wrong)
    for call in (producer.send, producer.try_send):
        call(b"x", Number(5))
        assert consumer.receive(PATIENCE).tag == 5
    with producer.claim(1, Number((1 << 32) - 1)):
        pass
    assert consumer.receive(PATIENCE).tag == (1 << 32) - 1
    raises(TypeError, producer.send, b"x", 1.5)
    raises(TypeError, producer.try_send, b"x", 0, 1)
    raises(TypeError, producer.try_send, b"x", timeout=1)


def test_send_many_has_one_deadline_and_says_what_was_sent():
    _, consumer, producer = pair()
    assert raises(TypeError, producer.send_many, [b"a", b"b", "text", b"c"]).sent == 2
    assert consumer.drain() == [b"a", b"b"]

    def failing():
        yield b"a"
        raise OSError("of the iterable's")

    assert raises(OSError, producer.send_many, failing()).sent == 1
    assert consumer.drain() == [b"a"]
    error = raises(sharedring.TimedOut, producer.send_many, itertools.repeat(bytes(100)), 0, 0.01)
    assert error.sent == len(consumer.drain()) > 0
    assert producer.send_many(itertools.repeat(bytes(100)), 0, 0) == len(consumer.drain())
    # One message is taken each time the sender waits: none of its waits is as long as the timeout, and together they are longer.
    end, taken = time.monotonic() + PATIENCE, []

    def take():
        while not taken[-1:] == ["stop"] and time.monotonic() < end:
            time.sleep(0.01)
            taken.extend(consumer.drain(1))

    thread = threading.Thread(target=take)
    thread.start()
    raises(sharedring.TimedOut, producer.send_many, itertools.repeat(bytes(1000)), 0, 0.3)
    is_in_time = time.monotonic() < end
    taken.append("stop")
    thread.join()
    assert is_in_time


def test_send_many_lets_signals_and_threads_run():
    """A long iterable in C, and nothing to wait for."""

    class Signal(Exception):
        pass

    def raise_signal(number, frame):
        raise Signal

    begun = threading.Event()

    def interrupt():
        begun.wait(PATIENCE)
        os.kill(os.getpid(), signal.SIGUSR1)

    def first():
        yield b"first"
        begun.set()

    publisher = sharedring.Ring(kind="broadcast", capacity=4096).publisher()
    before = signal.signal(signal.SIGUSR1, raise_signal)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        assert raises(Signal, publisher.send_many, itertools.chain(first(), itertools.repeat(b"x"))).sent > 0
    finally:
        signal.signal(signal.SIGUSR1, before)
        thread.join()
    publisher.close()


def test_the_callers_code_may_use_the_producer():
    """What an argument runs may close the producer or take a claim: then the call is refused."""

    class Argument:
        def __init__(self, action):
            self.action = action

        def __float__(self):
            self.action()
            return 1.0

        def __index__(self):
            self.action()
            return 1

        def __iter__(self):
            self.action()
            return iter([b"x"])

        def __buffer__(self, flags):  # called from Python 3.12 on
            self.action()
            return memoryview(b"x")

    def calls(producer, argument):
        yield producer.send, (b"x", 0, argument)
        yield producer.try_send, (b"x", argument)
        yield producer.send_many, ([b"x"], 0, argument)
        yield producer.send_many, (argument,)
        yield producer.claim, (1, 0, argument)
        yield producer.wait_acknowledged, (argument,)
        if sys.version_info >= (3, 12):
            yield producer.send, (argument,)
            yield producer.try_send, (argument,)

    for number in range(8 if sys.version_info >= (3, 12) else 6):
        for action in ("close", "drop", "claim"):
            _, consumer, producer = pair()
            claims = []
            argument = Argument(lambda: claims.append(producer.claim(4) if action == "claim" else getattr(producer, action)()))
            call, arguments = list(calls(producer, argument))[number]
            raises(sharedring.Misuse if action == "claim" else sharedring.Closed, call, *arguments)
            if action == "claim":
                claims[0].commit(0)
                assert bytes(consumer.receive(PATIENCE)) == b""
    _, consumer, producer = pair()
    refused = []

    def items():
        yield b"a"
        for call in (producer.close, producer.drop, lambda: producer.send(b"b"), lambda: producer.claim(1)):
            refused.append(raises(RuntimeError, call))
        yield b"c"

    assert producer.send_many(items()) == 2 and len(refused) == 4
    assert consumer.drain() == [b"a", b"c"]
    if sys.version_info >= (3, 12):
        writer = sharedring.Board(capacity=4096)
        writer.add("key", 8)
        writer["key"] = b"1"
        raises(sharedring.Closed, writer.set, "key", Argument(writer._writers["key"].close))


def test_a_drain_tells_what_ended_it():
    """A death is reported once. It ends a drain, which has messages to return: the next call raises it."""
    for following in ("receive", "receive_bytes", "poll", "drain", "arm", "next"):
        ring, consumer, producer = pair()
        producer.send_many([b"a", b"b"])
        producer.drop()
        producer = ring.producer()  # marks where its predecessor's stream was cut off
        producer.send(b"c")
        assert consumer.drain() == [b"a", b"b"]
        consumer.fileno()
        calls = {"receive": lambda: consumer.receive(PATIENCE), "receive_bytes": lambda: consumer.receive_bytes(PATIENCE), "next": lambda: next(consumer)}
        raises(sharedring.PeerDied, calls.get(following) or getattr(consumer, following))
        assert consumer.ends == (0, 1) and consumer.drain() == [b"c"]
        raises(sharedring.TimedOut, consumer.receive, 0)  # it was reported once
    ring, consumer, producer = pair()
    producer.send(b"a")
    producer.drop()
    producer = ring.producer()

    async def receive():
        assert consumer.drain() == [b"a"]
        try:
            await consumer.receive_async(PATIENCE)
        except sharedring.PeerDied:
            return True

    assert asyncio.run(receive())
    producer.send(b"b")
    producer.drop()
    producer = ring.producer()
    assert consumer.drain() == [b"b"]
    consumer.close()  # what it kept goes with it


def test_an_armed_consumer_is_the_threads():
    for kind in ("spsc", "mpsc"):
        _, consumer, producer = pair(kind)
        consumer.fileno()
        assert consumer.poll() is None
        consumer.arm()
        raises(sharedring.AlreadyWaiting, consumer.remove_if_unused)
        assert consumer.ends == (0, 0)
        producer.send(b"event")
        while (message := consumer.poll()) is None:
            pass
        assert bytes(message) == b"event"


def test_a_wait_lets_other_threads_run():
    _, consumer, producer = pair()
    ran = []

    def other():
        while not ran:
            try:
                assert consumer.poll() is None  # the wait has not begun
            except RuntimeError as refused:
                ran.append(str(refused))
        producer.send(b"from another thread")

    thread = threading.Thread(target=other)
    thread.start()
    message = consumer.receive(PATIENCE)
    thread.join()
    assert bytes(message) == b"from another thread" and ran == ["this consumer waits in another thread"]


def test_a_wait_is_cancelled():
    _, consumer, _ = pair()
    threading.Thread(target=consumer.cancel).start()
    raises(sharedring.Cancelled, consumer.receive)
    consumer.cancel(False)
    raises(sharedring.TimedOut, consumer.receive, 0.001)


def test_control_c_ends_a_wait():
    code = "import sharedring\nc = sharedring.Ring(capacity=4096).consumer(waiting='sleep', check_interval=100)\nprint('waiting', flush=True)\nc.receive()\n"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert process.stdout.readline() == b"waiting\n"
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        process.send_signal(signal.SIGINT)  # one that comes before the wait is the interpreter's own
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            pass
    assert b"KeyboardInterrupt" in process.stderr.read() and process.wait() != 0


def test_asyncio():
    _, consumer, producer = pair()

    async def send():
        for number in range(2000):
            await producer.send_async(f"{number}".encode() * 10)
        producer.close()

    async def receive():
        return [bytes(message) async for message in consumer]

    async def both():
        return (await asyncio.gather(send(), receive()))[1]

    assert asyncio.run(both()) == [f"{number}".encode() * 10 for number in range(2000)]


def test_asyncio_timeouts_and_deaths():
    _, consumer, producer = pair()

    async def receive():
        try:
            await consumer.receive_async(0.01)
        except sharedring.TimedOut:
            producer.send(b"later")
        assert await consumer.receive_bytes_async(PATIENCE) == b"later"
        producer.drop()
        try:
            await consumer.receive_async(PATIENCE)
        except sharedring.PeerDied:
            return True

    assert asyncio.run(receive())


async def turns(is_reached):
    """Lets other tasks run until that holds."""
    end = time.monotonic() + PATIENCE
    while not is_reached() and time.monotonic() < end:
        await asyncio.sleep(0)
    assert is_reached()


async def fails(error, awaited):
    try:
        await awaited
    except error as raised:
        return raised
    raise AssertionError(f"it raised no {error}")


def test_a_wait_of_a_task_gives_the_endpoint_back():
    """Its timeout or its cancellation: the endpoint is usable at once, and nothing is lost."""

    async def consumers():
        for kind in ("spsc", "mpsc", "broadcast"):
            for ending in ("timeout", "cancel"):
                _, consumer, producer = pair(kind)
                if ending == "timeout":
                    await fails(sharedring.TimedOut, consumer.receive_async(0))
                else:
                    waiting = asyncio.ensure_future(consumer.receive_async())
                    await turns(lambda: consumer._pending)
                    raises(sharedring.AlreadyWaiting, consumer.acknowledge)
                    waiting.cancel()
                    await fails(asyncio.CancelledError, waiting)
                consumer.acknowledge()
                consumer.wait_producer(PATIENCE)
                raises(sharedring.TimedOut, consumer.receive, 0.001)
                producer.send(b"later")
                assert await consumer.receive_bytes_async(PATIENCE) == b"later"
                consumer.cancel()
                await fails(sharedring.Cancelled, consumer.receive_async())

    async def boards():
        with sharedring.Board(capacity=65536, entries=4) as board:
            board.add("gold", 8)
            board["gold"] = b"1"
            assert await board.wait_async(PATIENCE) == "gold"
            await fails(sharedring.TimedOut, board.wait_async(0))
            raises(sharedring.TimedOut, board.wait, 0.001)
            waiting = asyncio.ensure_future(board.wait_async())
            for turn in range(3):  # what is read meanwhile takes the reader back, and the task arms it again
                await turns(lambda: board._pending)
                board.add(f"key {turn}", 8)
                assert board["gold"] == b"1" and board.snapshot()["gold"].bytes == b"1" and board.get_value(f"key {turn}") is None
                assert len(board.entries()) == 2 + turn and not waiting.done()
                await asyncio.sleep(0.01)  # the task may arm it again; what holds does so either way
            board["key 2"] = b"2"
            assert await waiting == "key 2"

    asyncio.run(consumers())
    asyncio.run(boards())


def test_one_task_at_a_time_waits():
    async def consumers():
        _, consumer, producer = pair()
        first = asyncio.ensure_future(consumer.receive_bytes_async())
        await turns(lambda: consumer._pending)
        assert "another task" in str(await fails(RuntimeError, consumer.receive_async()))
        producer.send(b"to the first")
        assert await asyncio.wait_for(first, PATIENCE) == b"to the first"

    async def boards():
        with sharedring.Board(capacity=4096) as board:
            board.add("gold", 8)
            first = asyncio.ensure_future(board.wait_async())
            await turns(lambda: board._pending)
            assert "another task" in str(await fails(RuntimeError, board.wait_async()))
            board["gold"] = b"1"
            assert await asyncio.wait_for(first, PATIENCE) == "gold"

    asyncio.run(consumers())
    asyncio.run(boards())


def test_a_close_ends_the_wait_of_a_task():
    """The task is told, and the next consumer, whose descriptor has the same number, gets its events."""

    async def consumers():
        for ending in ("close", "drop"):
            _, first, _ = pair()
            waiting = asyncio.ensure_future(first.receive_async())
            await turns(lambda: first._pending)
            refused = []
            thread = threading.Thread(target=lambda: refused.append(raises(RuntimeError, first.close)))
            thread.start()
            await turns(lambda: refused)
            thread.join()
            getattr(first, ending)()
            _, second, producer = pair()
            next_one = asyncio.ensure_future(second.receive_bytes_async())
            await turns(lambda: second._pending)
            await fails(sharedring.Closed, asyncio.wait_for(waiting, PATIENCE))
            producer.send(b"to the second")
            assert await asyncio.wait_for(next_one, PATIENCE) == b"to the second"

    async def boards():
        board = sharedring.Board(capacity=4096)
        waiting = asyncio.ensure_future(board.wait_async())
        await turns(lambda: board._pending)
        board.close()
        await fails(sharedring.Closed, asyncio.wait_for(waiting, PATIENCE))

    asyncio.run(consumers())
    asyncio.run(boards())


def test_tasks_that_send_are_cancelled():
    """However often a task is cancelled, its wait ends, the producer is free, and a cancel() of the user's stays."""

    async def cancelled(times):
        _, consumer, producer = pair()
        for is_users in (False, True):
            while producer.try_send(bytes(1000)):
                pass
            waiting = asyncio.ensure_future(producer.send_async(bytes(1000)))
            await turns(lambda: is_waiting(producer))
            if is_users:
                producer.cancel()
            for _ in range(times):
                waiting.cancel()
                await asyncio.sleep(0)
            await fails((asyncio.CancelledError, sharedring.Cancelled) if is_users else asyncio.CancelledError, waiting)
            if is_users:
                raises(sharedring.Cancelled, producer.send, bytes(1000), 0, PATIENCE)
                producer.cancel(False)
            raises(sharedring.TimedOut, producer.send, bytes(1000), 0, 0.001)
        producer.close()
        assert all(len(text) == 1000 for text in consumer.iter_bytes())

    def is_waiting(producer):
        try:
            producer.free_bytes()
        except RuntimeError:
            return True

    async def in_order():
        _, consumer, producer = pair()
        receiving = asyncio.ensure_future(consume(consumer))
        await asyncio.gather(*[producer.send_async(number.to_bytes(4, "little") * 100) for number in range(200)])
        producer.close()
        assert await receiving == [number.to_bytes(4, "little") * 100 for number in range(200)]

    async def consume(consumer):
        return [bytes(message) async for message in consumer]

    for times in (1, 2, 5):
        asyncio.run(cancelled(times))
    asyncio.run(in_order())
    asyncio.run(in_order())


def test_the_timeout_of_a_task_is_one_deadline():
    """A producer that comes and goes makes the descriptor readable, and begins no new timeout."""
    for wrong in (-1, float("nan")):
        _, consumer, _ = pair()
        raises(ValueError, asyncio.run, consumer.receive_async(wrong))
        raises(ValueError, asyncio.run, sharedring.Board(capacity=4096).wait_async(wrong))
    ring = sharedring.Ring(kind="mpsc", capacity=4096)
    consumer = ring.consumer(check_interval=0.005)
    deadlines, readable = [], consumer._readable

    async def noted(endpoint, deadline):
        deadlines.append(deadline)
        ring.producer().close()
        await readable(endpoint, deadline)

    consumer._readable = noted
    asyncio.run(fails(sharedring.TimedOut, consumer.receive_async(0.3)))
    assert len(set(deadlines)) == 1, deadlines
    raises(sharedring.TimedOut, asyncio.run, consumer.receive_async(float(0)))


def test_broadcast():
    ring = sharedring.Ring(kind="broadcast", capacity=4096, subscribers=2)
    publisher, reliable, lossy = ring.publisher(), ring.subscriber(), ring.subscriber(lossy=True)
    publisher.wait_consumers(1, PATIENCE)
    received = 0
    for number in range(2000):
        publisher.send(number.to_bytes(4, "little"))
        assert int.from_bytes(reliable.receive_bytes(), "little") == number
    publisher.close()
    received = sum(1 for _ in lossy)
    assert lossy.missed.messages == 2000 - received and lossy.missed.messages > 0
    assert reliable.receive(PATIENCE) is None
    with ring.subscriber(start=2) as late:
        assert [int.from_bytes(text, "little") for text in late.drain()] == [1998, 1999]


def test_boards():
    with sharedring.Board(capacity=65536, entries=4, keeps_time=True) as board:
        board.add("price", 100)
        board.add("depth", 4000)
        raises(KeyError, lambda: board["price"])
        raises(KeyError, lambda: board["nothing"])
        board["price"] = b"17"
        assert board.wait(0) == "price" and board["price"] == b"17" and board.entries() == ["price", "depth"]
        assert list(board) == ["price"] and "depth" not in board and "price" in board and len(board) == 1
        for i in range(10):
            board.set("depth", bytes(4000), tag=i)
        value = board.get_value("depth")
        assert (len(value.bytes), value.version, value.tag) == (4000, 10, 9) and abs(value.time - time.time()) < 3600
        moment = board.snapshot()
        assert moment["price"].bytes == b"17" and moment["depth"].version == 10
        raises(sharedring.TimedOut, board.wait, 0.001)
        raises(sharedring.MessageTooLarge, board.set, "price", bytes(101))
        raises(sharedring.BoardFull, board.add, "large", 1 << 20)

        async def wait():
            waiting = asyncio.ensure_future(board.wait_async(PATIENCE))
            await asyncio.sleep(0)
            board["price"] = b"18"
            return await waiting

        assert asyncio.run(wait()) == "price"


def test_a_board_is_a_mapping():
    """It has the keys that have values: each view of it agrees with []."""
    with sharedring.Board(capacity=65536, entries=4) as board:
        board.add("gold", 8)
        board.add("silver", 8)
        assert dict(board) == {} and board == {} and not board and "gold" not in board and board.get("gold") is None
        board["silver"] = b"1"
        assert dict(board) == {"silver": b"1"} == board and board != {"silver": b"2"} and {"silver": b"1"} == board
        assert list(board.items()) == [("silver", b"1")] and list(board.values()) == [b"1"] and board.keys() & {"silver", "gold"} == {"silver"}
        assert "silver" in board and 5 not in board and "a\0b" not in board and len(board) == 1 and board.entries() == ["gold", "silver"]
        descriptor = board.descriptor()
        with sharedring.Board(descriptor=descriptor) as same:
            assert same == board
        os.close(descriptor)


def calling(**options):
    service = sharedring.Service(**{"clients": 4, "servers": 2, "request_capacity": 1000, "reply_capacity": 2000, **options})
    return service, service.client(check_interval=0.005), service.server(check_interval=0.005)


class Serving(threading.Thread):
    """Answers calls in a thread of its own until the server is cancelled."""

    def __init__(self, server, handle=lambda request: request.reply(bytes(request)[::-1])):
        super().__init__()
        self.server, self.handle = server, handle
        self.start()

    def run(self):
        try:
            while True:  # a `for` would keep each request until the next one comes
                self.handle(self.server.next())
        except sharedring.Cancelled:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.cancel()
        self.join()


def test_a_call_has_its_reply():
    name = f"py-calls-{os.getpid()}"
    with sharedring.Service(name).server() as server, sharedring.Service(name, mode="open").client() as client, Serving(server):
        for size in (0, 1, 48, 49, 4096):
            data = os.urandom(size)
            assert client.call(data) == data[::-1] == client.call(bytearray(data), timeout=PATIENCE)
        assert server.number == 0 and client.token.endswith(":0:10")
    assert sharedring.Service(name).facts()["clients"] == 64
    raises(sharedring.Incompatible, sharedring.Ring, name, "mpsc", mode="open")
    sharedring.remove(name)


def test_each_outcome_is_an_exception():
    service, client, server = calling()

    def handle(request):
        match bytes(request)[:1]:
            case b"r":
                request.refuse(b"not that")
            case b"e":
                request.refuse()
            case b"d":
                request.drop()
            case b"f":
                pass  # forgotten

    with Serving(server, handle):
        error = raises(sharedring.CallRefused, client.call, b"r")
        assert error.refusal == b"not that" and error.outcome == "failed (refused)" and error.code == "callFailed" and error.errno is None
        assert error.token == client.token and isinstance(error, sharedring.CallFailed) and isinstance(error, sharedring.CallError)
        assert raises(sharedring.CallRefused, client.call, b"e").refusal == b""
        raises(sharedring.CallDropped, client.call, b"d")
        raises(sharedring.CallDropped, client.call, b"f")
        error = raises(sharedring.CallNotExecuted, client.call, bytes(1001))
        assert isinstance(error, sharedring.MessageTooLarge) and isinstance(error, ValueError) and error.token is None and "1001" in str(error)
    error = raises(sharedring.CallNotExecuted, client.call, b"x", timeout=0)
    assert isinstance(error, sharedring.TimedOut) and isinstance(error, TimeoutError) and error.code == "timedOut" and error.token
    server.cancel(False)
    raises(sharedring.TimedOut, server.next, timeout=0.001)
    assert server.poll() is None  # what was withdrawn is never started
    assert sharedring.CallError("a program's own").outcome == "was not executed"

    held = []
    with Serving(server, held.append):
        error = None
        while not isinstance(error, sharedring.CallStillOpen):  # until the server was faster than that
            error = raises(sharedring.CallError, client.call, b"x", timeout=0.05)
    assert type(error).__mro__[1] is sharedring.CallStillOpen and held[0].is_given_up
    raises(sharedring.CallNotExecuted, client.call, b"y", timeout=0.001)
    held.pop().reply(b"late")
    server.cancel(False)
    with Serving(server):
        assert client.call(b"abc") == b"cba"
    server.cancel(False)
    with Serving(server, held.append):
        other = service.client()
        thread = threading.Thread(target=lambda: held.append(raises(sharedring.CallClosed, other.call, b"x")))
        thread.start()
        while not held:
            time.sleep(0.001)
    request = held[0]
    raises(sharedring.MessageTooLarge, request.reply, bytes(2001))
    server.close()
    thread.join()
    assert isinstance(held[1], sharedring.CallClosed)
    raises(sharedring.Closed, request.reply, b"x")
    raises(sharedring.Closed, server.next)
    client.close()
    raises(sharedring.Closed, client.call, b"x")


def test_calls_are_answered_in_any_order_and_from_any_thread():
    service, _, server = calling()
    clients = [service.client() for _ in range(3)]
    replies = {}
    threads = [threading.Thread(target=lambda c=c, i=i: replies.update({i: c.call(b"%d" % i, PATIENCE)})) for i, c in enumerate(clients)]
    for thread in threads:
        thread.start()
    requests = [server.next(PATIENCE) for _ in clients]
    raises(TypeError, requests[0].reply, "text")
    waiting = threading.Thread(target=raises, args=(sharedring.Cancelled, server.next))
    waiting.start()
    for request in reversed(requests):  # while another thread waits with the server
        request.reply(b"to " + request.data)
        raises(sharedring.Closed, request.reply, b"x")
        raises(sharedring.Closed, request.drop)
    for thread in threads:
        thread.join()
    server.cancel()
    waiting.join()
    assert replies == {i: b"to %d" % i for i in range(3)}


def test_a_killed_server_is_unknown_and_a_retry_names_the_call():
    service = sharedring.Service(f"py-killed-{os.getpid()}", clients=2)
    client = service.client(check_interval=0.005)
    code = f"import sharedring, time\nr = sharedring.Service({service.name!r}, mode='open').server().next()\nprint(r.token, flush=True)\ntime.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    found = []
    thread = threading.Thread(target=lambda: found.append(raises(sharedring.CallUnknown, client.call, b"pay")))
    thread.start()
    token = process.stdout.readline().decode().strip()
    process.kill()
    process.wait()
    process.stdout.close()
    thread.join()
    assert isinstance(found[0], sharedring.PeerDied) and found[0].token == token

    results = {}

    def once(request):
        assert request.is_retry == (bytes(request) == b"pay")
        results.setdefault(request.token, b"paid")
        request.reply(results[request.token])

    with service.server() as server, Serving(server, once):
        assert [client.call(b"pay", retrying=token) for _ in range(2)] == [b"paid"] * 2
        assert list(results) == [token]
        client.call(b"other")
        raises(sharedring.InvalidName, client.call, b"x", retrying="no token")
        raises(TypeError, client.call, b"x", retrying=1)
    client.close()
    sharedring.remove(service.name)


def test_calls_are_cancelled():
    _, client, server = calling()
    cancelling = threading.Timer(0.01, client.cancel)
    cancelling.start()
    error = raises(sharedring.Cancelled, client.call, b"x")
    assert isinstance(error, sharedring.CallNotExecuted)
    raises(sharedring.CallNotExecuted, client.call, b"x")
    client.cancel(False)
    with Serving(server):
        assert client.call(b"ab", timeout=PATIENCE) == b"ba"
    calling_thread = threading.Thread(target=raises, args=(sharedring.Cancelled, client.call, b"x"))
    calling_thread.start()
    while not refused_while_busy(client):
        time.sleep(0.001)
    client.cancel()
    calling_thread.join()


def refused_while_busy(client):
    try:
        client.close()
    except RuntimeError:
        return True
    return False


def test_control_c_ends_a_call():
    code = "import sharedring\nc = sharedring.Service().client(waiting='sleep', check_interval=100)\nprint('calling', flush=True)\nc.call(b'x')\n"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert process.stdout.readline() == b"calling\n"
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            pass
    assert b"KeyboardInterrupt" in process.stderr.read() and process.wait() != 0
    process.stdout.close()
    process.stderr.close()


def test_calls_in_asyncio():
    service, client, server = calling()
    others = [service.client(waiting="sleep") for _ in range(3)]

    async def serve():
        async for request in server:
            if bytes(request) == b"end":
                return request.reply(b"ended")
            request.refuse(b"no") if bytes(request) == b"r" else request.reply(bytes(request)[::-1])

    async def call(client):
        for number in range(300):
            data = b"%d" % number * 20
            assert await client.call_async(data) == data[::-1]
        try:
            await client.call_async(b"r", timeout=PATIENCE)
        except sharedring.CallRefused as error:
            assert error.refusal == b"no"

    async def run():
        serving = asyncio.create_task(serve())
        await asyncio.gather(*(call(one) for one in others))
        assert await client.call_async(b"end") == b"ended"
        await serving

    asyncio.run(run())


def test_calls_of_tasks_are_withdrawn_or_still_open():
    service, client, server = calling()

    async def caught(awaitable):
        try:
            await awaitable
        except BaseException as error:
            return error

    async def run():
        error = await caught(client.call_async(b"x", timeout=0.01))
        assert isinstance(error, sharedring.CallNotExecuted) and isinstance(error, sharedring.TimedOut)
        assert server.poll() is None
        task = asyncio.create_task(client.call_async(b"x"))
        while client._pending is None:
            await asyncio.sleep(0)
        assert isinstance(await caught(client.call_async(b"y")), RuntimeError)  # one task at a time
        task.cancel()
        assert isinstance(await caught(task), asyncio.CancelledError) and server.poll() is None
        task = asyncio.create_task(client.call_async(b"x"))
        request = await server.next_async(PATIENCE)
        task.cancel()
        assert isinstance(await caught(task), asyncio.CancelledError) and request.is_given_up
        error = await caught(client.call_async(b"y", timeout=0.01))  # its slot is in use
        assert isinstance(error, sharedring.CallNotExecuted) and isinstance(error, sharedring.TimedOut) and error.token is None
        task = asyncio.create_task(client.call_async(b"z"))
        await asyncio.sleep(0.01)
        request.reply(b"late")
        request = await server.next_async(PATIENCE)
        assert bytes(request) == b"z"
        request.reply(b"in time")
        assert await task == b"in time"
        task = asyncio.create_task(client.call_async(b"x"))
        request = await server.next_async(PATIENCE)
        client.cancel()
        error = await caught(task)
        assert isinstance(error, sharedring.CallStillOpen) and isinstance(error, sharedring.Cancelled)
        client.cancel(False)
        request.drop()
        task = asyncio.create_task(client.call_async(b"x"))
        while client._pending is None:
            await asyncio.sleep(0)
        client.close()
        assert isinstance(await caught(task), sharedring.Closed) and server.poll() is None

    asyncio.run(run())


def reverse_one(service):
    with service.server() as server:
        request = server.next(PATIENCE)
        request.reply(bytes(request)[::-1])


def test_services_are_pickled_for_spawn():
    context = multiprocessing.get_context("spawn")
    service = sharedring.Service()
    child = context.Process(target=reverse_one, args=(service,))
    child.start()
    with service.client() as client:
        assert client.call(b"spawned", timeout=PATIENCE) == b"denwaps"
    child.join()
    assert child.exitcode == 0
    name = f"py-pickled-{os.getpid()}"
    assert pickle.loads(pickle.dumps(sharedring.Service(name, clients=3))).facts()["clients"] == 3
    sharedring.remove(name)


def test_a_forked_child_makes_no_calls():
    service, client, server = calling()
    caller = threading.Thread(target=client.call, args=(b"x", PATIENCE))
    caller.start()
    request = server.next(PATIENCE)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            raises(sharedring.Forked, server.poll)
            raises(sharedring.Forked, request.reply, b"x")
            raises(sharedring.Forked, service.client)
            assert bytes(request) == b"x" and not request.is_given_up
            server.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    request.reply(b"y")
    caller.join()


class Log(sharedring.Ring):
    pass


class Prices(sharedring.Board):
    pass


def test_a_pickle_forgets_nothing():
    name = f"py-pickle-{os.getpid()}"
    log = pickle.loads(pickle.dumps(Log(name, "mpsc", accepts_unflushed=True)))
    assert (type(log), log.name, log.kind, log._options["accepts_unflushed"]) == (Log, name, "mpsc", True)
    sharedring.remove(name)
    with Prices(name, waiting="sleep", check_interval=0.5, accepts_unflushed=True) as board, pickle.loads(pickle.dumps(board)) as same:
        assert type(same) is Prices and same._arguments == {"waiting": "sleep", "check_interval": 0.5} and same._ring._options["accepts_unflushed"]
    sharedring.remove(name)
    descriptor = sharedring.Ring(capacity=4096).descriptor()
    raises(TypeError, pickle.dumps, sharedring.Ring(name, descriptor=descriptor))  # it is not the ring of that name
    os.close(descriptor)


def test_keys_are_bytes():
    with sharedring.Board(capacity=4096) as board:
        key = os.fsdecode(b"key \xff")  # what another language may have added
        board.add(key, 8)
        assert board.snapshot() == {key: None}
        board[key] = b"1"
        assert list(board) == board.entries() == [key] and board.wait(0) == key and board[key] == b"1"
        assert board.snapshot()[key].bytes == b"1"
        raises(ValueError, board.add, "a\0b", 8)
        raises(TypeError, board.add, b"bytes", 8)
        raises(KeyError, lambda: board["key"])


def test_a_finaliser_does_not_close_what_is_read():
    """In Python 3.11 the collector runs where a list is made: a finaliser in a cycle comes between the library's calls."""
    code = """
import gc, sharedring
class Session:
    def __init__(self, board):
        self.me, self.board = self, board
    def __del__(self):
        try:
            self.board.close()
        except RuntimeError as error:
            print("refused", error)
for name in ("keys", "snapshot"):
    board = sharedring.Board(capacity=65536, entries=64)
    for i in range(64):
        board.add(f"key {i}", 8)
    call = getattr(board._reader, name)
    gc.disable()
    lists = [[] for _ in range(200)]  # the free ones are used up: the next list is allocated
    Session(board)
    gc.set_threshold(1)
    gc.enable()
    print(len(call()))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert ran.returncode == 0 and ran.stdout.count("64\n") == 2, ran
    if sys.version_info < (3, 12):
        assert ran.stdout.count("refused") == 2, ran


def test_other_threads_run_while_a_ring_is_opened():
    """What waits for another process lets the threads of this one run: here an entry is added while another keeper has the board."""
    name = f"py-keeper-{os.getpid()}"
    board = sharedring.Board(name, capacity=4096)
    keeper = os.open(f"/dev/shm/{name}", os.O_RDWR)
    ticks, most, end = [0], [0], time.monotonic() + PATIENCE

    def add():
        while most[0] < 10 and time.monotonic() < end:
            before = ticks[0]
            raises(sharedring.RoleTaken, board.add, "key", 8)
            most[0] = max(most[0], ticks[0] - before)

    try:
        # The byte of the role that adds entries; SR_LOCK_BYTE(SR_ROLE_BOARD, 0)
        fcntl.fcntl(keeper, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, (1 << 62) + (8 << 20), 1, 0))  # F_OFD_SETLK
        thread = threading.Thread(target=add)
        thread.start()
        while thread.is_alive():
            ticks[0] += 1
            thread.join(0.002)
    finally:
        os.close(keeper)
        board.close()
        sharedring.remove(name)
    assert most[0] >= 10


def test_check_intervals_are_checked():
    for wrong in (float("inf"), float("nan"), 0, -1, 1e300):
        error = raises(ValueError, sharedring.Board, capacity=4096, check_interval=wrong)
        assert repr(float(wrong)) in str(error)
        ring = sharedring.Ring(capacity=4096)
        raises(ValueError, ring.consumer, check_interval=wrong)
        raises(ValueError, ring.producer, check_interval=wrong)


def answer(questions, answers):
    with questions.consumer() as consumer, answers.producer() as producer:
        for message in consumer:
            producer.send(pickle.dumps(pickle.loads(bytes(message)) + 1))


def talk(questions, answers, method):
    process = multiprocessing.get_context(method).Process(target=answer, args=(questions, answers))
    process.start()
    with questions.producer() as producer, answers.consumer() as consumer:
        for number in range(10):
            producer.send(pickle.dumps(number))
            assert pickle.loads(bytes(consumer.receive(PATIENCE))) == number + 1
    process.join(PATIENCE)
    assert process.exitcode == 0


def test_rings_are_pickled_for_spawn():
    talk(sharedring.Ring(capacity=4096), sharedring.Ring(capacity=4096), "spawn")
    names = [f"py-spawn-{os.getpid()}-{i}" for i in range(2)]
    talk(*[sharedring.Ring(name) for name in names], "spawn")
    for name in names:
        assert pickle.loads(pickle.dumps(sharedring.Ring(name, mode="open"))).name == name
        sharedring.remove(name)
    raises(TypeError, pickle.dumps, sharedring.Ring())


def test_a_ring_that_was_handed_over_leaves_no_descriptor():
    def descriptors():
        gc.collect()
        return set(os.listdir("/proc/self/fd"))

    ring = sharedring.Ring(capacity=4096)
    for method in ("spawn", "forkserver"):
        before = None
        for _ in range(3):
            process = multiprocessing.get_context(method).Process(target=repr, args=(ring,))
            process.start()
            process.join(PATIENCE)
            assert process.exitcode == 0
            process.close()
            del process
            if before is None:  # the first starts the helpers of multiprocessing
                before = descriptors()
        assert len(descriptors()) == len(before), (method, before)


def test_a_fork_is_refused():
    ring, consumer, producer = pair()
    producer.send(b"out")
    message, claim = consumer.receive(PATIENCE), producer.claim(4)
    calls = [
        lambda: bytes(message),  # its bytes are not mapped in the child
        lambda: memoryview(message),
        lambda: memoryview(claim),
        lambda: claim.commit(),
        lambda: consumer.poll(),
        lambda: ring.descriptor(),
        lambda: ring.producer(),
        lambda: ring.consumer(),
    ]
    child = os.fork()
    if child == 0:
        refused = 0
        for call in calls:
            try:
                call()
            except sharedring.Forked:
                refused += 1
        claim.abandon()
        try:
            producer.send(b"x")
        except sharedring.Forked:
            refused += 1
        os._exit(0 if refused == 9 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert bytes(message) == b"out"
    claim.abandon()
    producer.send(b"still here")
    assert bytes(consumer.receive()) == b"still here"


def test_a_change_of_a_header_is_compiled():
    """The headers have inlined functions and the layout: a build that does not see their changes installs a wrong program."""
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    code = """
import os, setuptools, sys
given = []
setuptools.setup = lambda **keywords: given.append(keywords)
exec(compile(open("setup.py").read(), os.path.abspath("setup.py"), "exec"), {"__file__": os.path.abspath("setup.py"), "__name__": "__main__"})
extension = given[0]["ext_modules"][0]
print(*map(os.path.realpath, extension.sources + extension.depends), sep=chr(10))
"""
    try:
        import setuptools  # noqa: F401
    except ImportError:
        return print("setuptools is not here", file=sys.stderr)
    watched = set(subprocess.run([sys.executable, "-c", code], cwd=here, check=True, capture_output=True, text=True).stdout.splitlines())
    for folder in ("../C/src", "../../Sources/CAtomics/include"):
        for path, _, names in os.walk(os.path.join(here, folder)):
            for name in names:
                if name.endswith(".h"):
                    assert os.path.realpath(os.path.join(path, name)) in watched, name
    assert os.path.realpath(os.path.join(here, "../C/sharedring.h")) in watched


def test_a_handler_that_forks_ends_the_childs_wait():
    """A signal handler that forks inside a wait, and returns in the child: nothing that the wait looks at is mapped there."""
    for waiting in ("spin", "sleep", "adaptive"):
        ring = sharedring.Ring(capacity=4096)
        producer, consumer = ring.producer(), ring.consumer(waiting=waiting, check_interval=0.01)
        children = []

        def handle(number, frame):
            child = os.fork()
            if child:
                children.append(child)
                producer.send(b"to the parent")
            else:
                children.append(0)

        before = signal.signal(signal.SIGUSR1, handle)
        parent = os.getpid()
        try:
            thread = threading.Thread(target=lambda: os.kill(parent, signal.SIGUSR1))
            thread.start()
            message = consumer.receive(PATIENCE)
            assert os.getpid() == parent and bytes(message) == b"to the parent"
        except sharedring.Forked:
            os._exit(3)
        finally:
            if os.getpid() != parent:
                os._exit(4)
            signal.signal(signal.SIGUSR1, before)
            thread.join()
        assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 3


def test_control_c_is_asked_about_without_a_futex():
    """A wait that spins asks about signals more often than a long check interval."""

    class Signal(Exception):
        pass

    def handle(number, frame):
        raise Signal

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        for waiting in ("spin", "adaptive", "sleep"):
            consumer = sharedring.Ring(capacity=4096).consumer(waiting=waiting, check_interval=2 * PATIENCE)
            thread = threading.Thread(target=lambda: os.kill(os.getpid(), signal.SIGUSR1))

            def receive():
                thread.start()
                consumer.receive(PATIENCE)

            raises(Signal, receive)
            thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)


def main():
    passed = failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        try:
            test()
            passed += 1
        except BaseException as error:
            import traceback

            traceback.print_exc()
            print(f"{name}: {error!r}", file=sys.stderr)
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    signal.alarm(600)
    sys.exit(main() != 0)
