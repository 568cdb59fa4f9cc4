@main struct TestPeer { static func main() {} }
