// SPDX-License-Identifier: Apache-2.0

import BerthSchema
import Console

/// `berth acquire`, if the lease is printed.
struct AcquireCommand {
    private static let flags = Flags.Table(values: ["--server", "--pool", "--wait", "--time"])

    private let address: NumericAddress
    private let request: AcquireRequest

    /// - Parameter arguments: the arguments after `acquire`.
    init?(_ arguments: ArraySlice<String>) {
        guard let flags = Flags(arguments, AcquireCommand.flags), flags.words.isEmpty,
            let address = NumericAddress(flags.value("--server")), let wait = flags.milliseconds("--wait"),
            let time = flags.milliseconds("--time")
        else { return nil }
        self.address = address
        request = AcquireRequest(
            pool: flags.value("--pool") ?? "", waitMilliseconds: wait, isDetached: true, ttlMilliseconds: time)
    }

    /// The exit code; nil when there is no connection, and nothing was done.
    func run() -> Int32? {
        guard var connection = Connection(to: address) else { return nil }
        let lease: String
        do throws(CallFailure) {
            lease = try connection.answer(PoolService.acquire, request).lease
        } catch {
            return error.status
        }
        do throws(OutputFailure) {
            try printLine(lease.printable)
            return 0
        } catch {
            // The lease could not be printed, so nobody knows it.
            _ = try? connection.answer(PoolService.release, ReleaseRequest(lease: lease))
            error.exit()
        }
    }
}

/// `berth release`.
struct ReleaseCommand {
    private static let flags = Flags.Table(values: ["--server", "--lease", "--lease-file"])

    private let address: NumericAddress
    private let request: ReleaseRequest

    /// - Parameter arguments: the arguments after `release`.
    init?(_ arguments: ArraySlice<String>) {
        guard let flags = Flags(arguments, ReleaseCommand.flags), flags.words.count <= 1,
            flags.words.isEmpty || !flags.has("--lease") && !flags.has("--lease-file"),
            let address = NumericAddress(flags.value("--server")),
            let lease = flags.words.first.map({ LeaseFlags.lease($0, nil) }) ?? LeaseFlags.lease(flags), !lease.isEmpty
        else { return nil }
        self.address = address
        request = ReleaseRequest(lease: lease)
    }

    /// The exit code; nil when there is no connection, and nothing was done.
    func run() -> Int32? {
        guard var connection = Connection(to: address) else { return nil }
        do throws(CallFailure) {
            _ = try connection.answer(PoolService.release, request)
            return 0
        } catch {
            return error.status
        }
    }
}

/// The lease that a command uses.
enum LeaseFlags {
    /// Nil if there is no lease, or the whole program should read it.
    static func lease(_ flags: Flags) -> String? {
        let (token, file) = (flags.value("--lease"), flags.value("--lease-file"))
        guard token != nil || file != nil else { return Arguments.variable("BERTH_LEASE") }
        return lease(token, file)
    }

    static func lease(_ token: String?, _ file: String?) -> String? {
        guard token == nil || file == nil else { return nil }
        if let token, !token.hasPrefix("@") { return token }
        guard let path = file ?? token.map({ String($0.dropFirst()) }), path != "-" else { return nil }
        return try? LeaseFile.token(in: path)
    }
}

extension CallFailure {
    private static let invalidArgument: Int32 = 3
    private static let notFound: Int32 = 5

    /// Prints the error and returns the exit code: 2 if the request can't be right, 1 if it failed.
    fileprivate var status: Int32 {
        printError(message)
        return code == CallFailure.invalidArgument || code == CallFailure.notFound ? 2 : 1
    }
}
