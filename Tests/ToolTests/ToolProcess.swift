import Dispatch
import Foundation
import Glibc

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

    private let process = Process()
    /// What it writes into stays as long as this does.
    private let space: Workspace
    private let ended = DispatchSemaphore(value: 0)
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
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = words
        process.currentDirectoryURL = space.scratch
        process.environment = [
            "PATH": URL(fileURLWithPath: Self.path).deletingLastPathComponent().path + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": space.scratch.path, "SHAREDRING_DIR": space.rings.path,
        ].merging(environment) { $1 }

        let inputPipe = Pipe()
        switch input {
        case .nothing: process.standardInput = FileHandle.nullDevice
        case .data(let data):
            let file = base.appendingPathExtension("in")
            try data.write(to: file)
            process.standardInput = try FileHandle(forReadingFrom: file)
        case .file(let path): process.standardInput = FileHandle(forReadingAtPath: path)!
        case .pipe: process.standardInput = inputPipe
        }
        if case .pipe = input { self.input = inputPipe.fileHandleForWriting } else { self.input = nil }

        let outputPipe = Pipe()
        try Data().write(to: outputFile)
        try Data().write(to: errorFile)
        let outputHandle = FileHandle(forWritingAtPath: path ?? outputFile.path)!
        process.standardOutput = outputToPipe ? outputPipe : outputHandle
        output = outputToPipe ? outputPipe.fileHandleForReading : nil
        process.standardError = try FileHandle(forWritingTo: errorFile)

        let ended = ended
        process.terminationHandler = { _ in ended.signal() }
        try process.run()
        let id = process.processIdentifier
        let bounded = DispatchWorkItem { kill(id, SIGKILL) }
        DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(bound), execute: bounded)
        watchdog = bounded
    }

    private var watchdog: DispatchWorkItem!

    deinit {
        if process.isRunning { send(SIGKILL) }
        watchdog?.cancel()
    }

    var id: Int32 { process.processIdentifier }

    func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

    /// Waits for its end; the bound sees to it that it comes.
    @discardableResult
    func end() -> End {
        ended.wait()
        ended.signal()
        watchdog.cancel()
        let errors = (try? String(contentsOf: errorFile, encoding: .utf8)) ?? ""
        return End(status: process.terminationReason == .exit ? process.terminationStatus : nil, errors: errors)
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
