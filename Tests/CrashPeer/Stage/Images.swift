import CTestSupport
import Foundation
import SharedRing

/// Steps through an operation once. At every point the segment as it stands is copied, which is what a killed process would
/// leave, and two ways of going on are tried on copies.
struct Images {
    let situation: Situation
    let directory: String

    func run() -> Outcome {
        var outcome = Outcome()
        do {
            let stage = try Stage(situation, in: directory)
            let sleeping = try stage.putToSleep()
            recover(stage, "before it", &outcome)
            steps: while outcome.problems.count < 5 {
                let stop = stage.advance()
                let point = "\(stop), after \(stage.instructions) instructions"
                switch stop {
                case .changed: outcome.changes += 1
                case .calling, .called, .asleep: outcome.calls += 1
                case .mark: break
                case .ended, .stuck, .failed:
                    outcome.problems.append(point)
                    break steps
                }
                recover(stage, point, &outcome)
                if stop == .mark { break }
                if stop == .asleep { outcome.problems += try stage.wakeUp().problems }
            }
            if stage.note.failed != 0 { outcome.problems.append("it met what must not be") }
            outcome.instructions = stage.instructions
            if let sleeping {
                outcome.problems += sleeping.join(within: 60).problems
            }
        } catch {
            outcome.problems.append("\(error)")
        }
        return outcome
    }

    private func recover(_ stage: Stage, _ point: String, _ outcome: inout Outcome) {
        let bytes = UnsafeRawBufferPointer(start: stage.image, count: Int(stage.size))
        var options = stage.options
        options.directory = directory
        let recovery = Recovery(name: "image", shape: situation.shape, options: options, expected: stage.expected)
        for attempt in [recovery.consumerFirst, recovery.producerFirst] {
            do { try SegmentImage.write(bytes, to: directory + "/image") } catch {
                outcome.problems.append("\(point): \(error)")
                return
            }
            outcome.images += 1
            outcome.problems += attempt().map { "\(point): \($0)" }
        }
    }
}
