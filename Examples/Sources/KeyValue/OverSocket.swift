import Glibc
import NIOCore
import NIOPosix

/// The store behind a Unix socket, with SwiftNIO. A frame is a count of bytes, 32 bits, little-endian, and so many bytes; of an answer the first byte
/// says whether it is a refusal.
func serveSocket(_ path: String) throws {
    let store = Store()
    let server = try ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(StoreHandler(store)) }
        }
        .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).wait()
    say("ready")
    try server.closeFuture.wait()
}

/// One connection.
private final class StoreHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let longestRequest = 1 << 16
    private let store: Store
    private var received = ByteBuffer()

    init(_ store: Store) { self.store = store }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var part = unwrapInboundIn(data)
        received.writeBuffer(&part)
        while let count = received.getInteger(at: received.readerIndex, endianness: .little, as: UInt32.self) {
            guard count <= Self.longestRequest else { return context.close(promise: nil) }
            guard received.readableBytes >= 4 + Int(count) else { break }
            received.moveReaderIndex(forwardBy: 4)
            let request = received.readString(length: Int(count)) ?? ""
            context.write(wrapOutboundOut(frame(store.answer(request), context.channel.allocator)), promise: nil)
        }
        received.discardReadBytes()
    }

    func channelReadComplete(context: ChannelHandlerContext) { context.flush() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func frame(_ answer: Store.Answer, _ allocator: ByteBufferAllocator) -> ByteBuffer {
        let (mark, text): (UInt8, String) =
            switch answer {
            case .value(let text): (0, text)
            case .refused(let text): (1, text)
            }
        var buffer = allocator.buffer(capacity: 5 + text.utf8.count)
        buffer.writeInteger(UInt32(1 + text.utf8.count), endianness: .little)
        buffer.writeInteger(mark)
        buffer.writeString(text)
        return buffer
    }
}

/// A client of it, which blocks.
final class SocketClient {
    struct Failure: Error, CustomStringConvertible { let description: String }

    private let descriptor: Int32

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { throw Failure(description: "'\(path)' is too long") }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        guard result == 0 else { throw Failure(description: "\(path): \(String(cString: strerror(errno)))") }
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    func ask(_ request: String) throws -> Store.Answer {
        let text = Array(request.utf8)
        var frame = withUnsafeBytes(of: UInt32(text.count).littleEndian) { Array($0) } + text
        var sent = 0
        while sent < frame.count {
            let count = frame.withUnsafeBytes { write(descriptor, $0.baseAddress! + sent, $0.count - sent) }
            guard count > 0 else { throw Failure(description: "the service has gone: \(String(cString: strerror(errno)))") }
            sent += count
        }
        frame = try read(4)
        let count = frame.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self)) }
        let answer = try read(Int(count))
        let body = String(decoding: answer.dropFirst(), as: UTF8.self)
        return answer.first == 0 ? .value(body) : .refused(body)
    }

    private func read(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let got = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress! + filled, count - filled) }
            guard got > 0 else {
                throw Failure(description: got == 0 ? "the service has gone" : "no answer: \(String(cString: strerror(errno)))")
            }
            filled += got
        }
        return bytes
    }
}
