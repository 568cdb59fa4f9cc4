import Foundation

/// What `sharedring info --json` says.
struct RingInfo {
    let object: [String: Any]

    init(_ name: String, in space: Workspace) throws {
        let (end, output) = try ToolProcess.run("info", name, "--json", in: space)
        guard end.status == 0, let object = try JSONSerialization.jsonObject(with: output) as? [String: Any] else {
            throw CocoaError(.coderReadCorrupt, userInfo: ["end": end.description])
        }
        self.object = object
    }

    subscript(_ key: String) -> Any? { object[key] }

    func number(_ key: String) -> Int? { object[key] as? Int }

    var lanes: [[String: Any]] { object["lanes"] as? [[String: Any]] ?? [] }

    var consumer: Role { Role(object["consumer"]) }

    func producer(_ place: Int) -> Role { Role(lanes.indices.contains(place) ? lanes[place]["producer"] : nil) }

    struct Role {
        let presence: String?
        let attachments: Int?
        let process: [String: Any]?

        init(_ value: Any?) {
            let object = value as? [String: Any]
            presence = object?["presence"] as? String
            attachments = object?["attachments"] as? Int
            process = object?["process"] as? [String: Any]
        }

        var id: Int32? { (process?["pid"] as? Int).map(Int32.init) }
    }
}
