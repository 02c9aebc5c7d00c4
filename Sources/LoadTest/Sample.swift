// SPDX-License-Identifier: Apache-2.0

/// The parts of an operation that are timed.
package enum Step: String, Codable, CaseIterable, Sendable {
    /// Open loop: from when it was to begin until it began.
    case queue
    /// Acquire, of a member that was warm.
    case acquireWarm
    /// Acquire that waited: for a member to be created, or to be released.
    case acquireWaited
    /// From the call until the program has been started.
    case started
    /// From the call until the program's first output is here.
    case firstByte
    /// From the call until the program's end is here.
    case end
    case release
    /// All of the operation; in an open loop from when it was to begin.
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
    /// When it was to begin.
    let due: Nanoseconds
    /// What it took, by step; `.max` for a step that was not taken.
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

/// Why an operation failed: a kind to count by, of which there are few, and what was said the first time.
struct OperationFailure: Error {
    var kind: String
    var message: String
}
