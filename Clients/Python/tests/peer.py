"""A process for the tests to start, stop and kill: as Clients/C/tests/peer.c, with the same words."""

import os
import signal
import sys
import time

import sharedring

PATIENCE = 600


def say(text):
    if isinstance(text, str):
        text = text.encode()
    os.write(1, text + b"\n")


def parse(words):
    kind, ring, end = "spsc", {"capacity": 4096}, {"check_interval": 0.01}
    for word in words:
        key, equals, value = word.partition("=")
        if key in ("directory", "capacity", "lanes", "subscribers"):
            ring[key] = value if key == "directory" else int(value)
        if key == "lanes":
            kind = "mpsc"
        elif key == "subscribers":
            kind = "broadcast"
        elif key == "order":
            ring["total_order"] = value == "total"
        elif key == "barrier":
            ring["barrier"] = value if value == "symmetric" else "automatic"
        elif key == "check-interval":
            end["check_interval"] = int(value) / 1000
        elif key == "waiting":
            end["waiting"] = value
        elif key == "acknowledgement":
            end["manual"] = value == "manual"
        elif key == "from":
            end["start"] = value if value in ("now", "oldest") else int(value)
        elif key == "lossy":
            end["lossy"] = value == "yes"
        elif key == "senders":
            end["ends"] = int(value)
    return kind, ring, end


def lines():
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        try:
            yield word, rest
        except sharedring.Error:
            raise AssertionError from None


def producer(name, words):
    kind, options, end = parse(words)
    options_of_end = {key: end[key] for key in ("waiting", "check_interval") if key in end}
    producer = sharedring.Ring(name, kind, **options).producer(**options_of_end)
    say("attached")
    closes = False
    for word, rest in lines():
        try:
            match word:
                case "send":
                    producer.send(rest.encode(), tag=len(rest), timeout=PATIENCE)
                    say("sent")
                case "try":
                    say("sent" if producer.try_send(rest.encode()) else "full")
                case "fill":
                    count = 0
                    while producer.try_send(rest.encode()):
                        count += 1
                    say(f"filled {count}")
                case "numbers":
                    for number in range(int(rest)):
                        producer.send(number.to_bytes(8, "little"), timeout=PATIENCE)
                    say("sent")
                case "claim":
                    claim = producer.claim(int(rest), timeout=PATIENCE)
                    with memoryview(claim) as view:
                        view[:] = b"A" * int(rest)
                    say("claimed")
                    if sys.stdin.readline() == "commit\n":
                        claim.commit()
                    say("done")
                case "batch":
                    # A generator: what it has given is visible at its end alone.
                    def batch(count):
                        for i in range(count):
                            yield f"batched {i}".encode()
                        say(f"appended {count}")
                        sys.stdin.readline()

                    producer.send_many(batch(int(rest)), timeout=PATIENCE)
                    say("done")
                case "subscribers":
                    producer.wait_consumers(int(rest), PATIENCE)
                    say("subscribed")
                case "acknowledged":
                    producer.wait_acknowledged(PATIENCE)
                    say("acknowledged")
                case "close":
                    closes = True
                    break
        except sharedring.Error as error:
            say(f"error {error.code} {error}")
    producer.close() if closes else producer.drop()
    say("closed")


def consumer(name, words):
    kind, options, end = parse(words)
    end.setdefault("ends", 1)
    consumer = sharedring.Ring(name, kind, **options).consumer(**end)
    say("attached")
    closes = False
    for word, rest in lines():
        try:
            match word:
                case "next":
                    message = consumer.receive(PATIENCE)
                    say("ended" if message is None else b"message " + bytes(message))
                case "numbers":
                    for expected in range(int(rest)):
                        assert int.from_bytes(consumer.receive_bytes(PATIENCE), "little") == expected
                    say("received")
                case "acknowledge":
                    consumer.acknowledge()
                    say("acknowledged")
                case "remove":
                    say("removed true" if consumer.remove_if_unused() else "removed false")
                case "missed":
                    say("missed {} {}".format(*consumer.missed))
                case "close":
                    closes = True
                    break
        except sharedring.Error as error:
            say(f"error {error.code} {error}")
    message = None
    consumer.close() if closes else consumer.drop()
    say("closed")


def board_writer(name, key, words):
    board = sharedring.Board(name, mode="open")
    say("attached")
    for word, rest in lines():
        try:
            if word == "set":
                board[key] = rest.encode()
                say(f"version {board.get_value(key).version}")
            elif word == "close":
                break
        except sharedring.Error as error:
            say(f"error {error.code} {error}")
    board.close()
    say("closed")


def board_reader(name, key, words):
    _, _, end = parse(words)
    board = sharedring._sharedring.BoardReader(sharedring.Ring(name, "board", mode="open"), key, sharedring._WAITING[end.get("waiting", "adaptive")], 0.01)
    say("attached")
    say("woken")
    for word, _ in lines():
        try:
            if word == "next":
                board.wait(PATIENCE)
            value = board.get(key)
            say("nothing" if value is None else f"{value[1]} ".encode() + value[0])
        except sharedring.Error as error:
            say(f"error {error.code} {error}")


def call_server(name, words):
    _, _, end = parse(words)
    server, held = sharedring.Service(name, mode="open").server(**end), []
    say("attached")
    for word, rest in lines():
        try:
            match word:
                case "echo":
                    say("echoing")
                    for request in server:
                        request.reply(request.data)
                case "next":
                    held.append(server.next(PATIENCE))
                    say(b"call " + bytes(held[-1]) + (b" again" if held[-1].is_retry else b""))
                case "answer":
                    held.pop(0).reply(rest.encode())
                    say("answered")
                case "refuse":
                    held.pop(0).refuse(rest.encode())
                    say("refused")
                case "drop":
                    held.pop(0).drop()
                    say("dropped")
                case "given-up":
                    say("yes" if held and held[0].is_given_up else "no")
                case "token":
                    say(held[0].token if held else "none")
                case "close":
                    break
        except sharedring.Error as error:
            say(f"error {error.code} {error}")
    server.close()
    say("closed")


def call_client(name, words):
    _, _, end = parse(words)
    client = sharedring.Service(name, mode="open").client(**end)
    say("attached")
    for word, rest in lines():
        try:
            match word:
                case "call":
                    say(b"replied " + client.call(rest.encode(), PATIENCE))
                case "try":
                    milliseconds, _, text = rest.partition(" ")
                    say(b"replied " + client.call(text.encode(), int(milliseconds) / 1000))
                case "again":
                    say(b"replied " + client.call(rest.encode(), PATIENCE, retrying=client.token))
                case "calls":
                    for number in range(int(rest)):
                        data = number.to_bytes(8, "little")
                        assert client.call(data, PATIENCE) == data
                    say("called")
                case "close":
                    break
        except sharedring.CallError as error:
            say(f"{error.outcome}: {error.code}".encode() + (b" " + error.refusal if error.refusal else b""))
    client.close()
    say("closed")


def open_any(path):
    for kind in ("spsc", "mpsc", "broadcast", "board", "call"):
        try:
            return sharedring.Ring(os.path.basename(path), kind, mode="open", directory=os.path.dirname(path))
        except sharedring.Incompatible as error:
            if "of kind" not in str(error) or "does not know" in str(error):
                raise
    raise AssertionError(path)


def verdict(look, path):
    ring = open_any(path)
    if look == "send":
        producers = [ring.producer() for _ in range(ring.facts()["lanes"])]
        for producer in producers:
            producer.try_send(b"x")
        for producer in producers:
            producer.drop()
        return "ok"
    if look == "receive":
        consumer, count = ring.consumer(start="oldest"), 0
        try:
            for _ in range(3000):
                if (message := consumer.poll()) is not None:
                    count += 1
                elif consumer.ended:
                    return f"{count} ended"
            return f"{count} empty"
        except sharedring.Error as error:
            return f"{count} {error.code}"
        finally:
            message = None
            consumer.drop()
    native = sharedring._sharedring
    if look == "serve":
        server, served = native.CallServer(ring), []
        while (request := server.poll()) is not None:
            served.append(bytes(request))
            request.reply(b"ok")
        server.close()
        return b" ".join(served)
    if look == "call":
        client = native.CallClient(ring)
        try:
            return client.call(b"x", 0)
        except sharedring.CallNotExecuted as error:
            return "not executed" if error.token else "slot in use"
        except sharedring.CallError as error:
            return error.outcome
        finally:
            client.close()
    reader = native.BoardReader(ring)
    if look == "write":
        for key in reader.keys():
            writer = native.BoardWriter(ring, key)
            writer.set(b"x")
            writer.close()
        return "ok"
    words = []
    for key in reader.keys():
        value = reader.get(key)
        words.append(key if value is None else f"{key}={value[1]}:{value[2]}:{value[0].hex()}" + (f"@{value[3]}" if ring.facts()["keeps_time"] else ""))
    return " ".join(words)


def verdicts():
    for look, path in lines():
        try:
            say(verdict(look, path))
        except sharedring.Error as error:
            say(error.code)


def exchange(what, name, size, count, waiting):
    """For figures: the same work as `exchange` of Clients/C/tests/peer.c. With `send-many` and `drain` in batches."""
    size, count = int(size), int(count)

    def ring(end):
        return sharedring.Ring(f"{name}-{end}", capacity=1 << 20)

    data, producer, consumer = bytes(size), None, None
    if what in ("send", "send-many", "ping", "pong"):
        producer = ring("b" if what == "pong" else "a").producer(waiting=waiting)
    if what in ("receive", "view", "drain", "ping", "pong"):
        consumer = ring("b" if what == "ping" else "a").consumer(waiting=waiting)
    if producer is not None:
        producer.wait_consumers(1, PATIENCE)
    start = time.perf_counter()
    if what == "send":
        send = producer.send
        for _ in range(count):
            send(data)
        producer.wait_acknowledged(PATIENCE)
    elif what == "send-many":
        batch = [data] * 64
        for _ in range(count // 64):
            producer.send_many(batch)
        producer.send_many(batch[: count % 64])
        producer.wait_acknowledged(PATIENCE)
    elif what == "receive":
        receive = consumer.receive_bytes
        receive()
        start = time.perf_counter()
        for _ in range(count - 1):
            receive()
    elif what == "view":
        consumer.receive()
        start = time.perf_counter()
        for _ in range(count - 1):
            with memoryview(consumer.receive()) as view:
                view[0]
    elif what == "drain":
        left = count
        while left > 0:
            got = consumer.drain(256)
            if not got:
                consumer.receive_bytes()
                left -= 1
                if left == count - 1:
                    start = time.perf_counter()
            left -= len(got)
    else:
        for _ in range(count):
            if what == "ping":
                producer.send(data)
            got = consumer.receive_bytes(PATIENCE)
            if what == "pong":
                producer.send(got)
        if what == "pong":
            producer.wait_acknowledged(PATIENCE)
    say(f"ns {(time.perf_counter() - start) / count * 1e9:.2f} 0")
    for end in (consumer, producer):
        if end is not None:
            end.close()


def main():
    signal.alarm(600)  # whatever happens to the tests, this process ends
    what, *words = sys.argv[1:]
    try:
        if what == "producer":
            producer(words[0], words[1:])
        elif what in ("consumer", "collector", "subscriber"):
            consumer(words[0], words[1:])
        elif what == "board-writer":
            board_writer(words[0], words[1], words[2:])
        elif what == "board-reader":
            board_reader(words[0], words[1], words[2:])
        elif what == "call-server":
            call_server(words[0], words[1:])
        elif what == "call-client":
            call_client(words[0], words[1:])
        elif what == "verdicts":
            verdicts()
        elif what == "exchange":
            exchange(*words)
    except sharedring.Error as error:
        say(f"error {error.code} {error}")
        sys.exit(1)


main()
