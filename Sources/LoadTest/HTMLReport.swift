public struct HTMLReport: CustomStringConvertible {
    public init(_ report: LoadReport) {}
    public var description: String { "" }
}
