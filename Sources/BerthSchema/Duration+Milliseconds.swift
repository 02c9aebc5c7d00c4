// SPDX-License-Identifier: Apache-2.0

extension Duration {
    /// Whole milliseconds for the wire: at least 1, since 0 stands for the server's default.
    package var milliseconds: UInt32 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        return overflow ? .max : UInt32(clamping: max(1, whole + attoseconds / 1_000_000_000_000_000))
    }
}
