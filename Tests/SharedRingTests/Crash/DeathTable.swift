/// A row of the table in `CrashSafety.md`, and the situations of `CrashPeer` in which it must hold.
struct DeathRow: CustomStringConvertible, Sendable {
    let name: String
    let situations: [String]

    var description: String { name }

    init(_ name: String, _ situations: String...) {
        self.name = name
        self.situations = situations
    }

    static let all = [
        DeathRow("a message is whole or absent", "send/spsc/nearly", "send/spsc/last", "send/mpsc/none/start"),
        DeathRow("an uncommitted claim leaves no trace", "claim/spsc/none", "abandonedClaim/spsc"),
        DeathRow("a batch is whole or absent", "batch/spsc/none/start", "batch/total/none/start", "abandonedBatch/spsc"),
        DeathRow("counts are exactly what was committed", "send/spsc/run", "batch/spsc/run/beyond", "closeProducer/spsc/run/beyond"),
        DeathRow("a full ring stays as it was", "sendToFull/spsc", "waitForRoom/spsc/full/symmetric"),
        DeathRow("the next sender wakes the consumer", "send/spsc/none/asleep", "send/mpsc/none/asleep"),
        DeathRow("a stream that was closed or cut off is reported so", "closeProducer/spsc/full", "dropProducer/spsc"),
        DeathRow("streams of two producers stay apart", "attachProducer/spsc/after-died/none"),
        DeathRow("a dead sender's ticket delays no other sender", "send/total/nearly", "clearTicketFloor/total"),
        DeathRow("a message in hand comes again", "receive/spsc/last", "receive/total/last"),
        DeathRow("what is acknowledged does not come again", "acknowledge/spsc", "closeConsumer/spsc", "receiveLast/mpsc/symmetric"),
        DeathRow("used up messages come again without a gap", "drain/spsc"),
        DeathRow("a sleeper misses no message", "sleep/spsc/none"),
        DeathRow("an end is reported at least once", "readEnd/spsc", "readDeath/spsc"),
        DeathRow("a noted death is reported at the end", "noteDeath/mpsc"),
        DeathRow("a new consumer goes on where the last one was", "attachConsumer/spsc/after-died"),
        DeathRow("a broadcast's message is whole or absent, over nothing that is held", "broadcast/publish", "broadcast/batch"),
        DeathRow("a dead subscriber holds no publisher up", "broadcast/join", "broadcast/leave", "broadcast/acknowledge"),
        DeathRow("a durable subscriber misses nothing", "broadcast/resume", "broadcast/leaveDurable", "broadcast/removeDurable"),
        DeathRow("the next publisher goes on behind the last one", "broadcast/attachPublisher", "broadcast/closePublisher"),
        DeathRow("a name stands for a whole ring or nothing", "create/mpsc", "openOrCreate/spsc", "openExisting/spsc"),
        DeathRow("a board's value is the last or the next, whole", "board/set", "board/update", "board/setOnce"),
        DeathRow("the next writer of an entry wakes its readers", "board/setAsleep"),
        DeathRow("a board's entry is there or is made anew", "board/addEntry"),
        DeathRow("a call is started once or withdrawn, never both", "call/withdraw", "call/withdrawLarge", "call/settle"),
        DeathRow("a reply is whole or absent", "call/answer", "call/answerLarge", "call/refuse", "call/close"),
        DeathRow("the slot of a dead call is used again", "call/answerAsleep", "call/attachServer"),
        DeathRow("a stream's parts are whole and in order, and its end comes behind them", "call/streamSend"),
        DeathRow("the lane of a dead stream is used again", "call/streamOpen", "call/streamRead", "call/streamStop"),
        DeathRow("a ring is removed or untouched", "remove/spsc/none/start", "removeIfUnused/spsc"),
    ]
}
