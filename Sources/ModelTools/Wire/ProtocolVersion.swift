// SPDX-License-Identifier: Apache-2.0

/// A revision of the Model Context Protocol.
package enum ProtocolVersion: String, Sendable, CaseIterable, Comparable {
    case november2024 = "2024-11-05"
    case march2025 = "2025-03-26"
    case june2025 = "2025-06-18"
    case november2025 = "2025-11-25"
    case july2026 = "2026-07-28"

    /// Those that begin with `initialize`.
    package static let withHandshake = allCases.filter(\.hasHandshake)
    /// Those in which each request says which it is of.
    package static let stateless = allCases.filter { !$0.hasHandshake }
    /// The names of all, the newest first.
    package static let names = allCases.reversed().map(\.rawValue)

    /// Whether a connection begins with `initialize`, which settles the revision for all that follows.
    package var hasHandshake: Bool { self < .july2026 }
    /// Whether several messages may come in one array; later revisions dropped it again.
    package var hasBatches: Bool { self == .november2024 || self == .march2025 }
    /// Whether results may have `structuredContent`, and tools an `outputSchema` and a title.
    package var hasStructuredContent: Bool { self >= .june2025 }
    /// Whether tools may have annotations.
    package var hasAnnotations: Bool { self >= .march2025 }

    /// What a server answers to `initialize`: the client's own revision if it is known, else the newest with a handshake.
    package static func negotiated(_ asked: String) -> ProtocolVersion {
        ProtocolVersion(rawValue: asked).flatMap { $0.hasHandshake ? $0 : nil } ?? .november2025
    }

    package static func < (one: ProtocolVersion, other: ProtocolVersion) -> Bool { one.rawValue < other.rawValue }
}
