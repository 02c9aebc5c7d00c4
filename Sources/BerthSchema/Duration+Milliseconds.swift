// SPDX-License-Identifier: Apache-2.0

extension Duration {
    /// Whole milliseconds for the wire, where 0 means "the server's choice": at least 1.
    package var milliseconds: UInt32 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        return overflow ? .max : UInt32(clamping: max(1, whole + attoseconds / 1_000_000_000_000_000))
    }
}
