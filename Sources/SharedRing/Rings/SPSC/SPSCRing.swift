/// A ring in shared memory with one producer and one consumer, in any two processes or threads.
///
/// ```swift
/// var producer = try SPSCRing.openOrCreate("prices").makeProducer()
/// try producer.send("EURUSD 1.0842")
/// try producer.close()
/// ```
///
/// Keep endpoints in functions or types: a variable at the top level of `main.swift` is a global, and can't be closed.
///
/// The handle names a ring and holds no role: copy it, send it to other threads, make endpoints of it. Take ``MPSCRing``
/// when there are several producers.
public struct SPSCRing: MessageRing {
    /// What the library knows the ring by.
    public let handle: RingHandle

    /// A ring value by the handle of another one.
    ///
    /// - Throws: `incompatible` if the handle leads to a ring of another kind.
    public init(handle: RingHandle) throws(RingError) {
        try handle.requireKind(Self.kind.stored)
        self.handle = handle
    }

    /// The handle of a ring of this kind.
    init(trusted handle: RingHandle) { self.handle = handle }

    /// Which kind this is.
    public static var kind: RingKind { .spsc }

    // MARK: Making one

    /// Makes a new ring.
    ///
    /// Its memory is reserved in full, so that a later write can't fail, and it appears under its name only when it is whole.
    ///
    /// - Parameters:
    ///   - name: a file name, at most 200 bytes without a slash.
    ///   - options: see ``RingOptions``.
    /// - Throws: `alreadyExists`, `outOfSpace`, `invalidName`, `invalidOption`, `incompatible`, `system`.
    public static func create(_ name: String, options: RingOptions = RingOptions()) throws(RingError) -> SPSCRing {
        try SPSCRing(handle: .create(FileName(name), shape: .spsc, options: options))
    }

    /// Finds the ring of that name, as it is, or makes it as the options say. An endpoint made of this handle later does the same again, should the ring
    /// have been removed meanwhile.
    ///
    /// - Throws: as ``open(_:options:)`` and ``create(_:options:)``, without `notFound` and `alreadyExists`; `differentShape` if what it
    ///   finds differs in one of ``RingOptions/exactTraits``.
    public static func openOrCreate(_ name: String, options: RingOptions = RingOptions()) throws(RingError) -> SPSCRing {
        try SPSCRing(handle: .openOrCreate(FileName(name), shape: .spsc, options: options))
    }

    // MARK: Names that need not be text

    /// As ``create(_:options:)``.
    public static func create(named name: FileName, options: RingOptions = RingOptions()) throws(RingError) -> SPSCRing {
        try SPSCRing(handle: .create(name, shape: .spsc, options: options))
    }

    /// As ``openOrCreate(_:options:)``.
    public static func openOrCreate(named name: FileName, options: RingOptions = RingOptions()) throws(RingError) -> SPSCRing {
        try SPSCRing(handle: .openOrCreate(name, shape: .spsc, options: options))
    }

    // MARK: Rings without a name

    /// Makes a ring without a name, for parent and child or for peers that pass descriptors: sealed memory, which no process can
    /// truncate under its users. It ends with its last user. A forked child can't use this handle: ask for a descriptor before, and open that
    /// there. See <doc:Embedding#Child-processes>.
    ///
    /// - Throws: `invalidOption`, `incompatible`, `outOfSpace`, `system`.
    public static func anonymous(options: RingOptions = RingOptions()) throws(RingError) -> SPSCRing {
        try SPSCRing(handle: .anonymous(shape: .spsc, options: options))
    }

    // MARK: Receiving

    /// Becomes the ring's consumer, at the first message that no earlier consumer acknowledged.
    ///
    /// - Parameters:
    ///   - acknowledgement: when a message is acknowledged.
    ///   - waiting: how to wait for a message.
    ///   - options: see ``EndpointOptions``.
    /// - Throws: as ``makeProducer(waiting:options:)``.
    public func makeConsumer(
        acknowledgement: Acknowledgement = .automatic, waiting: WaitStrategy = .adaptive,
        options: EndpointOptions = EndpointOptions()
    ) throws(RingError) -> Consumer {
        Consumer(
            try ConsumerCore(
                attachment: try handle.attach(.consumer, options), acknowledgement: acknowledgement, waiting: waiting,
                checkInterval: options.checkInterval,
                prefault: options.prefault))
    }
}
