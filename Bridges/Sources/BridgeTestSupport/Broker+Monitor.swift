import Foundation
import Glibc

extension Broker {
    /// The last message of a stream that this broker has in its own files, whatever the cluster says. Nil: it does not answer, or has no such stream.
    public func lastSequence(of stream: String) -> UInt64? {
        struct Answer: Decodable {
            struct Account: Decodable { var streamDetail: [Stream]? }
            struct Stream: Decodable {
                struct State: Decodable { var lastSeq: UInt64 }
                var name: String
                var state: State
            }
            var accountDetails: [Account]?
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let body = get("/jsz?streams=true"), let answer = try? decoder.decode(Answer.self, from: body) else { return nil }
        for account in answer.accountDetails ?? [] {
            for detail in account.streamDetail ?? [] where detail.name == stream { return detail.state.lastSeq }
        }
        return nil
    }

    /// The body of an answer over HTTP; nil if there is none within two seconds.
    private func get(_ path: String) -> Data? {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { return nil }
        defer { close(socket) }
        var bound = timeval(tv_sec: 2, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(socket, SOL_SOCKET, option, &bound, socklen_t(MemoryLayout<timeval>.size))
        }
        var address = Self.loopback(monitorPort)
        let isConnected = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 }
        }
        let request = Array("GET \(path) HTTP/1.0\r\n\r\n".utf8)
        guard isConnected, Glibc.send(socket, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else { return nil }
        var answer = Data()
        var part = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(socket, &part, part.count, 0)
            guard count >= 0 else { return nil }
            if count == 0 { break }
            answer.append(contentsOf: part[..<count])
        }
        return answer.range(of: Data("\r\n\r\n".utf8)).map { answer[$0.upperBound...] }
    }
}
