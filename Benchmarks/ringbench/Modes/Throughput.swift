/// As many messages as will go, `batch` a call.
enum Throughput {
    @inline(__always)
    static func send<S: MessageSender & ~Copyable>(_ numbers: Range<UInt64>, batch: Int, _ sender: inout S) throws {
        var next = numbers.lowerBound
        if batch == 1 {
            while next < numbers.upperBound {
                try sender.send(next, count: 1)
                next &+= 1
            }
            return
        }
        while next < numbers.upperBound {
            let count = min(batch, Int(numbers.upperBound &- next))
            try sender.send(next, count: count)
            next &+= UInt64(count)
        }
    }

    @inline(__always)
    static func receive<R: MessageReceiver & ~Copyable>(_ numbers: Range<UInt64>, batch: Int, _ receiver: inout R) throws {
        var next = numbers.lowerBound
        if batch == 1 {
            while next < numbers.upperBound {
                _ = try receiver.receive(next, limit: 1)
                next &+= 1
            }
            return
        }
        while next < numbers.upperBound {
            next &+= UInt64(try receiver.receive(next, limit: min(batch, Int(numbers.upperBound &- next))))
        }
    }
}
