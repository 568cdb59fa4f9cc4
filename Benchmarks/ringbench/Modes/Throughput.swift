/// As many messages as will go, `batch` a call.
enum Throughput {
    @inline(__always)
    static func send<S: MessageSender & ~Copyable>(_ numbers: Range<UInt64>, batch: Int, _ sender: inout S) throws {
        if batch == 1 { return try sender.sendEach(numbers) }
        var next = numbers.lowerBound
        while next < numbers.upperBound {
            let count = min(batch, Int(numbers.upperBound &- next))
            try sender.send(next, count: count)
            next &+= UInt64(count)
        }
    }

    @inline(__always)
    static func receive<R: MessageReceiver & ~Copyable>(_ numbers: Range<UInt64>, batch: Int, _ receiver: inout R) throws {
        if batch == 1 { return try receiver.receiveEach(numbers) }
        var next = numbers.lowerBound
        while next < numbers.upperBound {
            next &+= UInt64(try receiver.receive(next, limit: min(batch, Int(numbers.upperBound &- next))))
        }
    }
}
