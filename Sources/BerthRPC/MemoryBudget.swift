// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import Synchronization

/// The budget for memory that the server holds for clients, in bytes. There is one limit for all, and one for each client, so
/// that no client can use all of it.
public final class MemoryBudget: Sendable {
    public let limit: Int
    public let clientLimit: Int
    private let total = Atomic<Int>(0)
    /// The most that was held since `freed` was last called.
    private let most = Atomic<Int>(0)
    /// What is called when much less is held than before.
    private let freed: (@Sendable () -> Void)?
    private let accounts = Mutex<[String: Entry]>([:])

    private struct Entry {
        weak var account: MemoryAccount?
    }

    /// `freed` is called when this many bytes were given back.
    private static let muchFreed = 16 << 20

    /// - Parameters:
    ///   - clientLimit: the maximum for one client; nil is half of `limit`.
    ///   - freed: is called, on any thread, each time much memory was given back: malloc keeps it unless it is told to return
    ///     it to the system.
    public init(limit: Int, clientLimit: Int? = nil, freed: (@Sendable () -> Void)? = nil) {
        self.freed = freed
        self.limit = limit
        self.clientLimit = min(clientLimit ?? limit / 2, limit)
    }

    /// Bytes held now.
    public var held: Int { total.load(ordering: .relaxed) }

    /// The account of a client, which all its connections share.
    public func account(of client: String) -> MemoryAccount {
        accounts.withLock { accounts in
            if let account = accounts[client]?.account { return account }
            let account = MemoryAccount(self, client: client)
            accounts[client] = Entry(account: account)
            return account
        }
    }

    fileprivate func closed(_ client: String) {
        accounts.withLock { accounts in
            // There may be a new account by now.
            if accounts[client]?.account == nil { accounts[client] = nil }
        }
    }

    fileprivate func add(_ bytes: Int) -> Int {
        let held = total.add(bytes, ordering: .relaxed).newValue
        let most = most.load(ordering: .relaxed)
        if held > most {
            self.most.store(held, ordering: .relaxed)
        } else if held < most - MemoryBudget.muchFreed, let freed {
            self.most.store(held, ordering: .relaxed)
            freed()
        }
        return held
    }
}

/// What one client's connections and executions hold of a `MemoryBudget`.
public final class MemoryAccount: Sendable {
    public let budget: MemoryBudget
    package let client: String
    private let own = Atomic<Int>(0)

    fileprivate init(_ budget: MemoryBudget, client: String) {
        self.budget = budget
        self.client = client
    }

    deinit {
        budget.closed(client)
    }

    public var held: Int { own.load(ordering: .relaxed) }

    /// Counts bytes that are about to be held. Returns false, without counting them, if that is too much.
    /// - Parameter part: the share of the limits, in sixteenths, that may be in use with them.
    public func reserve(_ bytes: Int, sixteenths part: Int = 16) -> Bool {
        let held = own.add(bytes, ordering: .relaxed).newValue
        let total = budget.add(bytes)
        guard held > budget.clientLimit * part / 16 || total > budget.limit * part / 16 else { return true }
        give(bytes)
        return false
    }

    /// Counts bytes that are held already and have a bound elsewhere.
    public func take(_ bytes: Int) {
        own.add(bytes, ordering: .relaxed)
        _ = budget.add(bytes)
    }

    /// Gives back bytes that are no longer held.
    public func give(_ bytes: Int) {
        own.subtract(bytes, ordering: .relaxed)
        _ = budget.add(-bytes)
    }

    /// Whether nothing more should be held for this client.
    public var isFull: Bool { held >= budget.clientLimit || budget.held >= budget.limit }

    /// The error of a call whose request would take so many bytes when it is decoded.
    func refusal(of bytes: Int) -> RPCError {
        let error = refusal
        return RPCError(
            error.code, "the request takes about \(bytes) bytes of memory while it is read, and \(error.message)",
            .memoryLimit)
    }

    /// The error of a call for which there is no memory.
    public var refusal: RPCError {
        guard budget.held >= budget.limit / 4 * 3 else {
            return RPCError(
                .resourceExhausted,
                "\(held) bytes of the server's memory are held for this client, whose share is \(budget.clientLimit); end "
                    + "some calls, or raise held_memory_per_client", .memoryLimit)
        }
        return RPCError(
            .resourceExhausted,
            "\(budget.held) bytes of the server's memory are held for clients, who may have \(budget.limit); try again "
                + "later, or raise held_memory", .memoryLimit)
    }
}
