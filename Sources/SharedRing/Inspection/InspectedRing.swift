/// A ring that is there, opened to be looked at: without a role, without a mapping, for reading only.
struct InspectedRing {
    let name: SegmentName
    let directory: Descriptor
    let segment: Segment

    /// Of the options, the directory and the allowed owners count. Throws as `SPSCRing.open`.
    init(_ name: FileName, options: RingOptions) throws(RingError) {
        self.name = try SegmentName(name, in: options.directoryName)
        directory = try self.name.openDirectory()
        guard let segment = try Segment.open(self.name, in: directory, owners: options.allowedOwners, isWritable: false) else {
            throw RingError(.notFound, ring: self.name.ring, "there is none in '\(self.name.directory)'")
        }
        self.segment = segment
    }
}
