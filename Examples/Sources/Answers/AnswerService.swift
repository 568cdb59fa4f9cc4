import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// Answers every line that a client sends over TCP with the state of the board.
struct AnswerService: Service {
    let board: Board
    let logger: Logger

    func run() async throws {
        let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.backlog, value: 256)
            .bind(host: "127.0.0.1", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        say("port \(server.channel.localAddress?.port ?? 0)")
        try await withGracefulShutdownHandler {
            try await server.executeThenClose { clients in
                try await withThrowingDiscardingTaskGroup { group in
                    for try await client in clients { group.addTask { await answer(client) } }
                    // No new ones; those who are connected still get what they asked for, and then the end.
                    group.cancelAll()
                }
            }
        } onGracefulShutdown: {
            server.channel.close(promise: nil)
        }
        logger.info("answered the last one")
    }

    private func answer(_ client: NIOAsyncChannel<ByteBuffer, ByteBuffer>) async {
        do {
            try await client.executeThenClose { inbound, outbound in
                for try await buffer in inbound {
                    let lines = buffer.readableBytesView.count { $0 == UInt8(ascii: "\n") }
                    guard lines > 0 else { continue }
                    let answer = board.text + "\n"
                    try await outbound.write(ByteBuffer(string: String(repeating: answer, count: lines)))
                }
            }
        } catch {
            logger.debug("a client went away", metadata: ["error": "\(error)"])
        }
    }
}
