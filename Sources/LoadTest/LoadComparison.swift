/// Two load tests side by side.
public struct LoadComparison: Sendable {
    public static let method = ""
    public init(_ before: LoadReport, _ after: LoadReport) {}
    public func text(before: String, after: String) -> String { "" }
}
