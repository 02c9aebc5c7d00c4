// SPDX-License-Identifier: Apache-2.0

internal import AgentLink
internal import BerthRPC
internal import BerthSchema
internal import Pool

extension ServedExecution {
    /// The request for an execution.
    struct Order: Sendable {
        /// The lease that it runs in; nil if it has its own member. Then its unguessable id gives access.
        var lease: LeaseToken?
        /// The client whose memory it uses after its end, if it has no lease.
        var client: ClientID
        /// Its count in its tenant's limits; nil until `admit`.
        var work: TenantWork?
        var member: MemberID
        /// The command for lists of executions.
        var argv: [SystemString]
        /// Time between TERM and KILL when it is cancelled.
        var graceMilliseconds: UInt64
        /// How long it goes on without a watcher, and is held after its end; nil: not at all.
        var resumable: Duration?
        var unwatched = Unwatched.runOn
        var maxWatchers = 64
        /// The account for the memory that it holds.
        var memory: MemoryAccount?
        /// Bytes that were reserved when it was started.
        var reservedBytes = 0
        /// The part of them that is for its request, until the agent has that.
        var requestBytes = 0
        /// The window of the agent: maximum bytes that are sent and not yet taken.
        var agentWindow = AgentConnection.window
        /// Ends it when nobody watches; nil: it is cancelled at the agent.
        var whenLeft: (@Sendable () -> Void)?
        /// For a piece of code: the context that runs it.
        var context = ""
        /// For a piece of code: maximum bytes of one display.
        var maxDisplay = 0
        /// It is a connection, which has no program.
        var isConnection = false
        /// What follows its end, if it may go over to another program; nil: it is no program.
        var ending: Ending?

        enum Ending: Codable {
            /// The use of its lease ends.
            case ofUse(LeaseToken)
            /// Its own lease is released, also when nobody watches any more, unless it is resumable.
            case ofLease(LeaseToken)

            func act(_ fleet: Fleet) {
                switch self {
                case .ofUse(let token): fleet.endUse(token)
                case .ofLease(let token): _ = fleet.release(token)
                }
            }
        }

        mutating func setEnding(_ ending: Ending, _ fleet: Fleet) {
            self.ending = ending
            guard case .ofLease(let token) = ending, resumable == nil else { return }
            // In a member of its own, the execution ends with the member, without a grace.
            whenLeft = { [fleet] in _ = fleet.release(token) }
        }

        /// The initial size of the ring of a stream.
        static let firstRing = 64 << 10

        /// Reserves the initial memory of an execution. The less memory is left, the smaller its window is, and the slower
        /// its output.
        /// - Returns: false if there is not enough memory.
        mutating func reserve(_ account: MemoryAccount, request: Int) -> Bool {
            // The last sixteenth is left for calls to running executions: input, signals, acknowledgements.
            for (window, part) in [(AgentConnection.window, 8), (256 << 10, 12), (64 << 10, 15)] {
                let bytes = window + Self.firstRing + request
                guard account.reserve(bytes, sixteenths: part) else { continue }
                (memory, reservedBytes, requestBytes, agentWindow) = (account, bytes, request, window)
                return true
            }
            return false
        }
    }
}
