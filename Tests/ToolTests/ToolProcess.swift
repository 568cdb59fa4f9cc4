import Dispatch
import Foundation
import Glibc
import TestSupport

/// One running `sharedring`. It is killed if it takes longer than its bound, so that no test hangs.
final class ToolProcess {
    /// The tool is built beside the test bundle.
    static let path: String = {
        signal(SIGPIPE, SIG_IGN)  // tests write to processes that they kill
        let bundle = try! FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent("sharedring").path
    }()

    /// How a process ended.
    struct End: Equatable, CustomStringConvertible {
        /// The exit status; nil if a signal ended it.
        let status: Int32?
        let errors: String

        var description: String { "status \(status.map(String.init) ?? "none"), errors: \(errors)" }
    }

    private let process: ChildProcess
    /// What it writes into stays as long as this does.
    private let space: Workspace
    private let errorFile: URL
    let outputFile: URL
    /// The writing end, if the input is a pipe.
    let input: FileHandle?
    /// The reading end, if the output is a pipe.
    let output: FileHandle?

    enum Input {
        case nothing
        case data(Data)
        case file(String)
        case pipe
    }

    /// - Parameters:
    ///   - path: a file, or a terminal, to write to instead.
    ///   - bound: after how many seconds it is killed.
    init(
        _ words: [String], of program: String = ToolProcess.path, in space: Workspace, input: Input = .nothing,
        outputToPipe: Bool = false, outputTo path: String? = nil, environment: [String: String] = [:], bound: Int = 120
    ) throws {
        self.space = space
        let base = space.scratch.appendingPathComponent(UUID().uuidString)
        outputFile = base.appendingPathExtension("out")
        errorFile = base.appendingPathExtension("err")
        let environment = [
            "PATH": URL(fileURLWithPath: Self.path).deletingLastPathComponent().path + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": space.scratch.path, "SHAREDRING_DIR": space.rings.path,
        ].merging(environment) { $1 }

        var input = input
        if case .data(let data) = input {
            let file = base.appendingPathExtension("in")
            try data.write(to: file)
            input = .file(file.path)
        }
        try Data().write(to: outputFile)
        try Data().write(to: errorFile)
        let inputPipe = if case .pipe = input { try ChildProcess.pipe() } else { nil as (reading: FileHandle, writing: FileHandle)? }
        let outputPipe = outputToPipe ? try ChildProcess.pipe() : nil
        let inputPath = if case .file(let path) = input { path } else { "/dev/null" }
        let streams = (
            try inputPipe?.reading ?? Self.file(inputPath, O_RDONLY),
            try outputPipe?.writing ?? Self.file(path ?? outputFile.path, O_WRONLY), try Self.file(errorFile.path, O_WRONLY)
        )
        self.input = inputPipe?.writing
        output = outputPipe?.reading
        process = try withExtendedLifetime(streams) {
            try ChildProcess(
                program, words, environment: environment, directory: space.scratch.path, input: streams.0.fileDescriptor,
                output: streams.1.fileDescriptor, errors: streams.2.fileDescriptor, bound: bound)
        }
    }

    private static func file(_ path: String, _ flags: Int32) throws -> FileHandle {
        let file = open(path, flags | O_CLOEXEC | O_NOCTTY)
        guard file >= 0 else { throw POSIXError(.ENOENT) }
        return FileHandle(fileDescriptor: file, closeOnDealloc: true)
    }

    var id: Int32 { process.id }

    func send(_ signal: Int32) { process.send(signal) }

    /// Waits for its end; the bound sees to it that it comes.
    @discardableResult
    func end() -> End {
        let status = process.end()
        return End(status: status, errors: errors)
    }

    /// Ends its input. It lives until it has ended by itself or by its bound, also if the test has no further use for it: in a release
    /// build this object would be released right here, and what has still to close its end of the ring would be killed.
    func closeInput() throws {
        try input!.close()
        let process = process
        DispatchQueue.global().async { process.end() }
    }

    /// What it has written so far.
    var written: Data { (try? Data(contentsOf: outputFile)) ?? Data() }
    var errors: String { (try? String(contentsOf: errorFile, encoding: .utf8)) ?? "" }
}

extension ToolProcess {
    /// Runs the tool to its end.
    static func run(_ words: String..., in space: Workspace, input: Data = Data()) throws -> (end: End, output: Data) {
        let process = try ToolProcess(words, in: space, input: .data(input))
        let end = process.end()
        return (end, process.written)
    }

    /// Runs a script of bash to its end, in the scratch directory; `sharedring` is the tool.
    static func shell(_ script: String, in space: Workspace) throws -> (end: End, output: Data) {
        let process = try ToolProcess(["-c", script], of: "/bin/bash", in: space)
        let end = process.end()
        return (end, process.written)
    }
}
