import CTestSupport
import SharedRing

extension Peer {
    func runOnName() throws {
        switch operation {
        case .create:
            ts_mark()
            note.phase = 1
            do throws(RingError) {
                _ = try TestRing.create(name, shape, options)
            } catch {
                if error.code != .alreadyExists { fail("\(error)") }
            }
        case .openOrCreate, .openExisting:
            ts_mark()
            note.phase = 1
            _ = try TestRing.openOrCreate(name, shape, options)
        case .remove:
            ts_mark()
            note.phase = 1
            do throws(RingError) {
                try SPSCRing.remove(name, options: options)
            } catch {
                if error.code != .inUse && error.code != .notFound { fail("\(error)") }
            }
        case .removeIfUnused:
            var consumer = try SPSCRing.open(name, options: options).makeConsumer()
            ts_mark()
            note.phase = 1
            _ = try consumer.removeRingIfUnused()
            note.phase = 2
            ts_mark()
            return
        default: fail("it is no operation on a name")
        }
        note.phase = 2
        ts_mark()
    }
}
