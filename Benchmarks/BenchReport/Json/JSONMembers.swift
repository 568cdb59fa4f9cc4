/// An object's members, as the types they should have.
struct JSONMembers {
    private let members: [String: JSONValue]

    init(_ value: JSONValue) throws(ResultsError) {
        guard case .object(let members) = value else { throw ResultsError("a case is an object, not \(value.kind)") }
        self.members = members
    }

    func has(_ key: String) -> Bool { members[key] != nil }

    private func wrong(_ key: String, _ wanted: String) -> ResultsError {
        guard let value = members[key] else { return ResultsError("there is no key '\(key)'") }
        return ResultsError("'\(key)' should be \(wanted), not \(value.kind)")
    }

    func number(_ key: String) throws(ResultsError) -> Double {
        guard case .number(let value)? = members[key] else { throw wrong(key, "a number") }
        return value
    }

    func integer(_ key: String) throws(ResultsError) -> Int {
        guard case .number(let value)? = members[key], let integer = Int(exactly: value) else { throw wrong(key, "a whole number") }
        return integer
    }

    func boolean(_ key: String) throws(ResultsError) -> Bool {
        guard case .boolean(let value)? = members[key] else { throw wrong(key, "true or false") }
        return value
    }

    func string(_ key: String) throws(ResultsError) -> String {
        guard case .string(let value)? = members[key] else { throw wrong(key, "a string") }
        return value
    }

    func members(_ key: String) throws(ResultsError) -> JSONMembers {
        guard let value = members[key], case .object = value else { throw wrong(key, "an object") }
        return try JSONMembers(value)
    }

    func name<Name: RawRepresentable<String>>(_ key: String, of: Name.Type) throws(ResultsError) -> Name {
        let text = try string(key)
        guard let name = Name(rawValue: text) else { throw ResultsError("there is no \(key) '\(text)'") }
        return name
    }

    private func array(_ key: String, of kind: String) throws(ResultsError) -> [JSONValue] {
        guard case .array(let values)? = members[key] else { throw wrong(key, "an array of \(kind)") }
        return values
    }

    func numbers(_ key: String) throws(ResultsError) -> [Double] {
        try Self.numbers(try array(key, of: "numbers"), key)
    }

    private static func numbers(_ values: [JSONValue], _ key: String) throws(ResultsError) -> [Double] {
        var numbers: [Double] = []
        for value in values {
            guard case .number(let number) = value else { throw ResultsError("'\(key)' should hold numbers, not \(value.kind)") }
            numbers.append(number)
        }
        return numbers
    }

    func strings(_ key: String) throws(ResultsError) -> [String] {
        var strings: [String] = []
        for value in try array(key, of: "strings") {
            guard case .string(let string) = value else { throw ResultsError("'\(key)' should hold strings, not \(value.kind)") }
            strings.append(string)
        }
        return strings
    }

    func pairs(_ key: String) throws(ResultsError) -> [(Double, Double)] {
        var pairs: [(Double, Double)] = []
        for value in try array(key, of: "pairs of numbers") {
            guard case .array(let values) = value, values.count == 2 else { throw ResultsError("'\(key)' should hold pairs of numbers") }
            let numbers = try Self.numbers(values, key)
            pairs.append((numbers[0], numbers[1]))
        }
        return pairs
    }
}
