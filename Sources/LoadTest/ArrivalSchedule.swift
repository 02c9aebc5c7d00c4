// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The times at which the operations of an open loop are due. It is fixed from the start: a slow server does not move
/// it.
struct ArrivalSchedule: Sendable {
    private let begin: Nanoseconds
    /// Nothing is due at this time or later.
    private let end: Nanoseconds
    private let interval: Double
    private let spacing: LoadPlan.Spacing
    private var random: SplitMix64
    private var offset = 0.0
    private(set) var index: UInt64 = 0

    init(
        begin: Nanoseconds, end: Nanoseconds, rate: Double, spacing: LoadPlan.Spacing, seed: UInt64 = 0x0BE7_7411
    ) {
        self.begin = begin
        self.end = end
        interval = 1e9 / rate
        self.spacing = spacing
        random = SplitMix64(seed: seed)
        if spacing == .random { offset = gap() }
    }

    /// When the next operation is due; nil if there are no more.
    var next: Nanoseconds? {
        guard offset < 1e18 else { return nil }
        let instant = begin + Nanoseconds(offset)
        return instant < end ? instant : nil
    }

    mutating func take() {
        index += 1
        switch spacing {
        // Computed from the index, not from the time before, so that rounding errors do not add up.
        case .even: offset = Double(index) * interval
        case .random: offset += gap()
        }
    }

    private mutating func gap() -> Double {
        // 1 - u is in (0, 1], so that its logarithm is finite.
        -log(1 - Double(random.next() >> 11) * 0x1p-53) * interval
    }
}
