import Glibc

/// The monotonic clock, in milliseconds.
func nowMilliseconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int(time.tv_sec) * 1000 + Int(time.tv_nsec) / 1_000_000
}

func sleep(milliseconds: Int) { sleep(microseconds: milliseconds * 1000) }

func sleep(microseconds: Int) { usleep(UInt32(microseconds)) }
