// SPDX-License-Identifier: Apache-2.0

package import Access
internal import BerthRPC
internal import BerthSchema
internal import Digest
internal import Pool
internal import Synchronization

/// Writes an audit log: one line for each acquire, execution, admin call and refusal. It never has what a program reads or
/// writes, nor a token, nor a lease.
package final class AuditTrail: Sendable {
    private let log: AuditLog
    /// Whether arguments are logged as they are, not as a hash.
    private let isWhole: Bool
    private let seconds: @Sendable () -> Double

    package init(_ log: AuditLog, isWhole: Bool = false, seconds: @escaping @Sendable () -> Double) {
        self.log = log
        self.isWhole = isWhole
        self.seconds = seconds
    }

    /// Logs a call when it has ended.
    func follow(
        _ call: ServerCall, _ session: Session, _ event: String, _ details: [String: String] = [:],
        argv: [SystemString]? = nil, age: Duration = .zero
    ) {
        let began = seconds() - Double(age.saturatedNanoseconds) / 1e9
        let head = head(call, session, event)
        var details = details.sorted { $0.key < $1.key }.map { ($0.key, AuditLog.Field.text($0.value)) }
        if let argv { details.append(arguments(argv)) }
        call.onEnd = { [self] error in
            let outcome = error.map { Self.name($0.code) } ?? "OK"
            log.write(
                [("time", .text(Self.time(began)))] + head + details + [
                    ("outcome", .text(outcome)), ("ms", .milliseconds((seconds() - began) * 1000)),
                ])
        }
    }

    /// Logs a call that its caller may not make.
    func refused(_ call: ServerCall, _ session: Session, _ error: RPCError) {
        log.write(
            [("time", .text(Self.time(seconds())))] + head(call, session, "refusal") + [
                ("outcome", .text(Self.name(error.code))),
                ("why", .text(error.metadata["limit"] ?? error.reason?.protoName ?? "")),
            ])
    }

    private func head(_ call: ServerCall, _ session: Session, _ event: String) -> [(String, AuditLog.Field)] {
        [
            ("event", .text(event)), ("method", .text(call.method.prefix(64).description)),
            ("tenant", .text(session.tenant?.name ?? "")), ("by", .text(session.caller?.proof.words ?? "")),
            ("peer", .text(call.connection.peer)),
        ]
    }

    private func arguments(_ argv: [SystemString]) -> (String, AuditLog.Field) {
        guard !isWhole else { return ("argv", .text(argv.map(\.description).joined(separator: " "))) }
        let bytes = argv.map(\.bytes).joined(separator: [0])
        return ("argv_sha256", .text(SHA256.hex(Array(bytes))))
    }

    /// As gRPC spells it: "NOT_FOUND".
    private static func name(_ code: RPCError.Code) -> String {
        "\(code)".map { $0.isUppercase ? "_\($0)" : $0.uppercased() }.joined()
    }

    /// "2026-11-30T21:04:59.123Z".
    private static func time(_ seconds: Double) -> String {
        let whole = Int(seconds)
        let (days, rest) = (whole / 86400, whole % 86400)
        // Days to a date: Howard Hinnant's civil_from_days.
        let shifted = days + 719_468
        let era = shifted / 146_097
        let ofEra = shifted % 146_097
        let year = (ofEra - ofEra / 1460 + ofEra / 36524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * year + year / 4 - year / 100)
        let month = (5 * ofYear + 2) / 153
        let day = ofYear - (153 * month + 2) / 5 + 1
        func digits(_ number: Int, _ count: Int = 2) -> String {
            let text = "\(number)"
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        let calendarMonth = month < 10 ? month + 3 : month - 9
        let calendarYear = year + era * 400 + (calendarMonth <= 2 ? 1 : 0)
        let milliseconds = Int((seconds - Double(whole)) * 1000)
        return "\(digits(calendarYear, 4))-\(digits(calendarMonth))-\(digits(day))T\(digits(rest / 3600)):"
            + "\(digits(rest / 60 % 60)):\(digits(rest % 60)).\(digits(milliseconds, 3))Z"
    }
}
