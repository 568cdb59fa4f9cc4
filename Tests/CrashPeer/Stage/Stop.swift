/// Why the traced process stands still; `ts_stop`.
enum Stop: UInt32 {
    case changed = 1, calling, called, asleep, mark, ended, stuck, failed
}
