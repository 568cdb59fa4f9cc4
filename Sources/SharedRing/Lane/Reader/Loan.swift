/// Whether a message of a lane is out. What `LaneReader.handedOut` says, in one word, since every receive reads and writes it.
enum Loan: Equatable {
    /// No message is out.
    case none
    /// The message of this id is out, until its view ends or its consumer is used again.
    case out(id: UInt64)
    /// Nothing is handed out any more: the lane is poisoned, the process was forked, the waiter thread has the reader, or it was ended.
    case ended
}

extension LaneReader {
    /// The state of the loan.
    var loan: Loan {
        let word = handedOut
        if word == Self.nothingMore { return .ended }
        return word & 1 == 0 ? .none : .out(id: word)
    }
}
