// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema

/// A signal of Linux, by number or name.
struct SignalNumber {
    static let kill: Int32 = 9

    let number: Int32

    /// The names of signals from 1 on, the same on every architecture that Berth runs on.
    private static let names = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM",
        "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH",
        "IO",
        "PWR", "SYS",
    ]
    private static let synonyms: [String: Int32] = ["IOT": 6, "CLD": 17, "POLL": 29, "UNUSED": 31]
    /// Real-time signals without the first two, which the C library uses itself.
    private static let realTime: ClosedRange<Int32> = 34...64

    /// - Throws: INVALID_ARGUMENT if there is no such signal.
    init(_ request: SignalRequest) throws(RPCError) {
        guard request.signalName.isEmpty else {
            guard let found = SignalNumber.number(of: request.signalName) else {
                throw RPCError(
                    .invalidArgument,
                    "there is no signal \"\(request.signalName.prefix(32))\"; there is: "
                        + SignalNumber.names.joined(separator: ", ") + ", RTMIN to RTMIN+30, RTMAX-30 to RTMAX, "
                        + "each also with SIG in front")
            }
            number = found
            return
        }
        guard (1...64).contains(request.signal) else {
            throw RPCError(.invalidArgument, "signal \(request.signal) is not 1 to 64")
        }
        number = request.signal
    }

    /// - Parameter name: "INT", "SIGINT", "sigint", "RTMIN+3".
    static func number(of name: String) -> Int32? {
        let upper = name.uppercased()
        let short = upper.hasPrefix("SIG") ? String(upper.dropFirst(3)) : upper
        if let index = names.firstIndex(of: short) { return Int32(index) + 1 }
        if let number = synonyms[short] { return number }
        for (base, sign) in [("RTMIN", "+"), ("RTMAX", "-")] where short.hasPrefix(base) {
            let rest = short.dropFirst(base.count)
            if rest.isEmpty { return base == "RTMIN" ? realTime.lowerBound : realTime.upperBound }
            guard rest.hasPrefix(sign), let distance = UInt8(rest.dropFirst()), distance < realTime.count else {
                return nil
            }
            return base == "RTMIN" ? realTime.lowerBound + Int32(distance) : realTime.upperBound - Int32(distance)
        }
        return nil
    }
}
