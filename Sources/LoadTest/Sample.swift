// SPDX-License-Identifier: Apache-2.0

/// The parts of an operation that are timed.
package enum Step: String, Codable, CaseIterable, Sendable {
    /// Open loop: from when it was due until it began.
    case queue
    /// An acquire that got a warm member.
    case acquireWarm
    /// An acquire that waited for a member to be created or released.
    case acquireWaited
    /// From the call until the program was started.
    case started
    /// From the call until the first output arrived.
    case firstByte
    /// From the call until the end of the program was reported.
    case end
    case release
    /// The whole operation; in an open loop, from when it was due.
    case total

    static let count = allCases.count

    var index: Int {
        switch self {
        case .queue: 0
        case .acquireWarm: 1
        case .acquireWaited: 2
        case .started: 3
        case .firstByte: 4
        case .end: 5
        case .release: 6
        case .total: 7
        }
    }
}

/// One operation that was carried out.
struct Sample: Sendable {
    let operation: Operation
    /// When it was due.
    let due: Nanoseconds
    /// The duration of each step; `.max` for steps that did not happen.
    private(set) var steps = SIMD8<Nanoseconds>(repeating: .max)

    init(_ operation: Operation, due: Nanoseconds) {
        self.operation = operation
        self.due = due
    }

    subscript(_ step: Step) -> Nanoseconds? {
        get { steps[step.index] == .max ? nil : steps[step.index] }
        set { steps[step.index] = newValue ?? .max }
    }
}

/// Why an operation failed: one of a few kinds to count by, and a message.
struct OperationFailure: Error {
    var kind: String
    var message: String
}
