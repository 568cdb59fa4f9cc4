/// "1 lane", "2 lanes". The only place of the library and the tool that makes a plural, so that nothing says "1 bytes".
///
/// - Parameter plural: if it is not the noun with an "s".
package func counted(_ count: some BinaryInteger, _ noun: String, _ plural: String? = nil) -> String {
    "\(count) \(count == 1 ? noun : plural ?? noun + "s")"
}
