package struct ReportPage {
    package init(_ results: [CaseResult], repeats: Int, notes: [String]) {}
    package var html: String { "" }
}
