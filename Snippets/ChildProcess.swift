// A ring that a child process of Foundation's finds at its standard input.
import Foundation
import SharedRing

/// Starts a program that finds a ring at its standard input, where it opens it as descriptor 0.
func start(_ program: URL, with ring: SPSCRing) throws -> Process {
    let process = Process()
    process.executableURL = program
    process.standardInput = FileHandle(fileDescriptor: try ring.duplicateDescriptor(), closeOnDealloc: true)
    try process.run()
    return process
}

// This program is its own child.
let own = URL(fileURLWithPath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
if let ring = try? SPSCRing.open(descriptor: 0) {
    var producer = try ring.makeProducer()
    try producer.send("from the child")
    try producer.close()
} else {
    let ring = try SPSCRing.anonymous()
    var consumer = try ring.makeConsumer()
    let child = try start(own, with: ring)
    print(try consumer.next()?.text ?? "nothing")
    child.waitUntilExit()
}
