@main struct SharedRingTool { static func main() {} }
