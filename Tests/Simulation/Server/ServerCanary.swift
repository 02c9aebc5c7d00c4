// SPDX-License-Identifier: Apache-2.0

/// A fault that is put into a world on purpose: the book must find it out. Each is what a broken server would do to its clients,
/// its members or itself.
package enum ServerCanary: String, Sendable, CaseIterable {
    // What a client sees
    case outputIsLost, outputComesTwice, outputIsAltered, outputIsSwapped
    case gapIsInvented
    case endComesTwice, endIsLost, startComesTwice, outputAfterEnd
    case exitCodeIsWrong, causeIsWrong, countIsWrong
    case memberIsWrong
    case answerIsLost
    case leaseComesTwice, memberIsLeasedTwice, leaseIsForgotten, releasedLeaseLives
    case windowIsIgnored
    // What a member sees
    case creditIsInvented, creditIsLost
    case helperIsKilled, tailIsNotRead
    case programNeverEnds
    // What the server holds
    case memoryIsNotGivenBack, memoryIsNotCounted, containerIsLeftOver, createsOverlap

    /// The rules that may tell of it first.
    package var rules: Set<ServerRule> {
        switch self {
        case .outputIsLost, .outputComesTwice, .outputIsAltered, .outputIsSwapped: [.bytes, .named]
        case .gapIsInvented: [.named, .bytes]
        case .endComesTwice, .startComesTwice, .outputAfterEnd: [.oneEnd]
        case .endIsLost: [.oneEnd]
        case .exitCodeIsWrong, .causeIsWrong, .countIsWrong: [.cause]
        case .memberIsWrong: [.place]
        case .answerIsLost: [.answered]
        case .leaseComesTwice: [.oneLease]
        case .memberIsLeasedTwice: [.oneLease, .place]
        case .leaseIsForgotten, .releasedLeaseLives: [.lease]
        case .windowIsIgnored: [.window]
        case .creditIsInvented: [.credit]
        case .creditIsLost: [.inTime, .cause, .answered]
        case .helperIsKilled, .tailIsNotRead: [.written]
        case .programNeverEnds: [.inTime, .cause]
        case .memoryIsNotGivenBack: [.quiet, .budget]
        case .memoryIsNotCounted: [.budget]
        case .containerIsLeftOver: [.quiet, .members]
        case .createsOverlap: [.members]
        }
    }
}
