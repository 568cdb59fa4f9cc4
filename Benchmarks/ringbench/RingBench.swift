@main struct RingBench { static func main() {} }
