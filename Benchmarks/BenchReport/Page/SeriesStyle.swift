import Glibc

func logarithm(_ value: Double) -> Double { log10(max(value, 1e-12)) }

/// How a transport looks, the same on all charts: a colour, and for the ring's variants a dash.
struct SeriesStyle {
    /// A class of `PageStyle`.
    var colour: String
    var dash: String

    init(_ setup: CaseSetup) {
        colour = setup.transport.isFloor ? "c-floor" : "c-\(setup.transport.rawValue)"
        switch setup.transport {
        case .ring where setup.batch > 1 || setup.mode.isTimed && setup.wait == "adaptive": dash = "dashed"
        case .ring where setup.mode.isTimed && setup.wait == "sleep": dash = "dotted"
        case .ring: dash = "bold"
        case .line1, .line2, .futex, .stream: dash = "dotted"
        default: dash = setup.batch > 1 ? "dashed" : ""
        }
    }

    var classes: String { "\(colour) \(dash)" }
}
