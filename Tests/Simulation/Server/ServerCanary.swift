// SPDX-License-Identifier: Apache-2.0

/// A fault that is put into a world on purpose: the book must find it out. Each is what a broken server would do to its clients,
/// its members or itself.
package enum ServerCanary: String, Sendable, CaseIterable {
    // What a client sees of an execution
    case outputIsLost, outputComesTwice, outputIsAltered, outputIsSwapped, outputIsCutShort, outputIsReordered
    case outputIsAnothers
    case gapIsInvented, gapIsTooLong
    case startIsLost, startComesTwice, endIsLost, endComesTwice, outputAfterEnd
    case exitCodeIsWrong, signalIsWrong, causeIsWrong, timeOutIsEarly
    case countIsWrong, countOfStderrIsWrong, truncationIsWrong
    case memberIsWrong
    case windowIsIgnored, eventsAreNotCounted, acknowledgementIsLost
    // What a client sees of calls and leases
    case answerIsLost, answerComesTwice, waitIsTooLong, waitIsTooShort
    case leaseComesTwice, memberIsLeasedTwice, leaseIsForgotten, releasedLeaseLives
    case leaseLivesTooLong, leaseEndsTooSoon, renewalIsForgotten, othersLeaseEnds
    case endIsNotListed, runningIsNotListed
    // What tenants are to each other, and may
    case strangerIsKnown, tokenIsForgotten, revokedTokenLives, strangerIsNotClosed
    case tenantsAreOne, refusalGivesAHint, roleIsIgnored, turnsAreIgnored
    case leaseQuotaIsIgnored, leaseQuotaIsShort, executionQuotaIsIgnored, executionIsCountedForEver
    case requestQuotaIsIgnored, requestQuotaIsShort, outputQuotaIsIgnored, tenantsTimeOutIsIgnored, othersPoolIsOpen
    // What a member sees
    case creditIsInvented, creditIsLost
    case argvIsAltered, programRunsTwice, timeOutIsNotPassedOn, outputLimitIsNotPassedOn, inputIsLost
    case tailIsNotRead
    case laterInputIsLost, inputIsAltered, inputComesTwice, inputEndIsLost, inputGapIsTaken, inputAnswerIsWrong
    case resizeIsLost, signalIsLost, signalIsAltered
    case programNeverEnds, timeOutIsIgnored, cancelIsLost, signalGoesToAnother
    case resetLeavesPrograms, reuseIsIgnored, deathIsNotSeen, closeIsNotSeen
    case backgroundOutlivesLease
    // What the server holds
    case memoryIsNotGivenBack, memoryIsNotCounted, shareIsIgnored
    case containerIsLeftOver, createsOverlap, poolIsTooLarge, poolIsTooSmall, createIsNotGivenUp

    // Faults that Berth once had. The first word is what it was called: of its kind and its number.
    /// When a program ended, its helpers were killed at once, and what they still had to write was lost.
    case a1HelperIsKilled
    /// The grace for helpers was nothing, so that what a `tee` had still to pass on was lost.
    case a1GraceIsNothing
    /// What goes on in the background was killed by SIGPIPE when it wrote.
    case a2BackgroundIsKilled
    /// Time in which credit was withheld counted against the agent, and the member was lost with all that ran in it.
    case a6SlowReaderLosesMember
    /// Requests that wait were not counted.
    case b8RequestsAreNotCounted
    /// What had ended in the background still counted.
    case g32BackgroundIsCountedForEver
    /// What nobody read kept its member after its time-out.
    case g33UnreadOutputHoldsUpTheEnd

    /// Faults that Berth once had.
    package static let planted: [ServerCanary] = [
        .a1HelperIsKilled, .a1GraceIsNothing, .a2BackgroundIsKilled, .a6SlowReaderLosesMember, .b8RequestsAreNotCounted,
        .g32BackgroundIsCountedForEver, .g33UnreadOutputHoldsUpTheEnd,
    ]

    /// What may tell of a member that is gone although nobody has ended its lease.
    private static let lostLease: Set<ServerRule> = [.lease, .cause, .oneEnd, .oneLease, .quota, .turns]

    /// The rules that may tell of it first.
    package var rules: Set<ServerRule> {
        switch self {
        case .outputIsLost, .outputComesTwice, .outputIsAltered, .outputIsSwapped: [.bytes, .named]
        case .outputIsCutShort, .outputIsReordered, .outputIsAnothers: [.bytes, .named]
        case .gapIsInvented: [.named, .bytes]
        // Or its client acknowledges a byte that never came.
        case .gapIsTooLong: [.named, .bytes, .window]
        case .startIsLost, .startComesTwice, .endIsLost, .endComesTwice, .outputAfterEnd: [.oneEnd]
        case .exitCodeIsWrong, .signalIsWrong, .causeIsWrong, .timeOutIsEarly: [.cause]
        case .countIsWrong, .countOfStderrIsWrong: [.cause]
        case .truncationIsWrong: [.named]
        case .memberIsWrong: [.place]
        case .windowIsIgnored, .eventsAreNotCounted: [.window]
        case .acknowledgementIsLost: [.moves, .answered]
        case .answerIsLost, .answerComesTwice, .waitIsTooLong, .waitIsTooShort: [.answered]
        case .leaseComesTwice: [.oneLease]
        case .memberIsLeasedTwice: [.oneLease, .place]
        case .leaseIsForgotten, .releasedLeaseLives: [.lease]
        case .leaseLivesTooLong, .renewalIsForgotten: [.lease, .cause, .oneLease]
        case .othersLeaseEnds, .leaseEndsTooSoon, .a6SlowReaderLosesMember: ServerCanary.lostLease
        case .endIsNotListed, .runningIsNotListed: [.listed]
        case .strangerIsKnown, .tokenIsForgotten, .revokedTokenLives, .strangerIsNotClosed: [.known]
        case .tenantsAreOne: [.apart, .known, .turns, .role]
        case .refusalGivesAHint: [.apart]
        case .roleIsIgnored: [.role]
        case .turnsAreIgnored: [.turns]
        case .leaseQuotaIsIgnored, .leaseQuotaIsShort, .executionQuotaIsIgnored, .executionIsCountedForEver,
            .requestQuotaIsIgnored, .requestQuotaIsShort, .outputQuotaIsIgnored, .tenantsTimeOutIsIgnored,
            .othersPoolIsOpen:
            [.quota]
        case .creditIsInvented: ServerCanary.lostLease.union([.credit])
        case .creditIsLost: [.moves, .inTime, .cause, .answered]
        case .argvIsAltered, .programRunsTwice, .timeOutIsNotPassedOn, .outputLimitIsNotPassedOn, .inputIsLost:
            [.asked]
        // The server takes a member for broken that says so.
        case .laterInputIsLost, .inputComesTwice: ServerCanary.lostLease.union([.input])
        case .inputIsAltered, .inputEndIsLost, .inputGapIsTaken, .inputAnswerIsWrong, .resizeIsLost: [.input]
        case .signalIsLost: [.signals]
        case .signalIsAltered: [.cause, .signals]
        case .tailIsNotRead: [.written]
        case .programNeverEnds, .timeOutIsIgnored: [.inTime, .ends, .cause]
        case .cancelIsLost: [.ends, .cause, .signals]
        case .signalGoesToAnother: [.cause, .signals]
        // The server looks for that itself, and takes the member for taken over.
        case .resetLeavesPrograms: [.clean, .cause]
        case .backgroundOutlivesLease, .reuseIsIgnored, .deathIsNotSeen: [.clean]
        case .closeIsNotSeen: [.ends, .quiet]
        case .memoryIsNotGivenBack: [.quiet, .budget]
        case .memoryIsNotCounted, .shareIsIgnored: [.budget]
        case .containerIsLeftOver: [.quiet, .members]
        case .createsOverlap, .poolIsTooLarge: [.members]
        case .createIsNotGivenUp: [.members, .quiet]
        case .poolIsTooSmall: [.quiet]
        case .a1HelperIsKilled, .a1GraceIsNothing: [.written]
        case .a2BackgroundIsKilled, .g32BackgroundIsCountedForEver: [.background]
        case .b8RequestsAreNotCounted: [.budget]
        case .g33UnreadOutputHoldsUpTheEnd: [.inTime, .ends, .cause]
        }
    }
}
