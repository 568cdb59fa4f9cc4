import TestSupport
import Testing

@testable import BenchReport

@Suite("JSON of results", .fewAtATime)
struct JSONTests {
    @Test("Values of all kinds are read")
    func values() throws {
        let value = try JSONParser.parse(#" {"a":[1,-2.5e3,true,null],"b":"x\"\u00e9\n","c":{}} "#)
        #expect(
            value
                == .object([
                    "a": .array([.number(1), .number(-2500), .boolean(true), .null]), "b": .string("x\"é\n"), "c": .object([:]),
                ]))
    }

    @Test(
        "An error says where",
        arguments: [("{\"a\":1", 7), ("{\"a\" 1}", 6), ("[1,]", 4), ("{\"a\":nan}", 6), ("[1] 2", 5), ("\"abc", 5), ("", 1)])
    func errors(text: String, column: Int) {
        #expect { try JSONParser.parse(text) } throws: { ($0 as? JSONParser.Failure)?.column == column }
    }

    @Test("A file that is not ours does not exhaust the stack")
    func depth() {
        #expect(throws: JSONParser.Failure.self) { try JSONParser.parse(String(repeating: "[", count: 1_000_000)) }
    }

    @Test("What is written is read again")
    func writing() throws {
        var object = JSONWriter()
        object.add("text", "a \"quoted\" \\ line\n")
        object.add("number", 1.25, digits: 3)
        object.add("strings", ["a", "b"])
        #expect(
            try JSONParser.parse(object.text)
                == .object([
                    "text": .string("a \"quoted\" \\ line\n"), "number": .number(1.25), "strings": .array([.string("a"), .string("b")]),
                ]))
    }
}
