/// Why results can't be used: one sentence.
package struct ResultsError: Error, Equatable {
    package let sentence: String
    package init(_ sentence: String) { self.sentence = sentence }
}
