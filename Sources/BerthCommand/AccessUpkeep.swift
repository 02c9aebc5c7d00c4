// SPDX-License-Identifier: Apache-2.0

import Access
import BerthRPC
import Configuration
import FoundationEssentials
import Logging
import Service
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Who may call, for a server with tenants: reads the tokens, again whenever their file changes, and keeps what tenants have used
/// in a file, so that a restart does not give it back to them.
final class AccessUpkeep: Sendable {
    private static let interval = Duration.seconds(2)

    let access: AccessControl
    private let tokens: String?
    private struct Reading {
        var watch: FileWatch
        /// Why it could not be read last, which is logged once.
        var failure: String?
    }
    /// Nil without a file of tokens.
    private let reading: Mutex<Reading?>
    private let quotaFile: String
    private let logger: Logger

    /// - Returns: nil without tenants.
    /// - Throws: `Failure` if the tokens, or the kept figures, can't be read.
    /// - Parameter secret: that of the program whose place this one has taken.
    static func begin(
        _ configuration: ServerConfiguration, instance: String, secret: [UInt8]? = nil, _ logger: Logger
    ) throws -> AccessUpkeep? {
        guard !configuration.tenants.isEmpty else { return nil }
        return try AccessUpkeep(configuration, instance: instance, secret: secret, logger)
    }

    private init(
        _ configuration: ServerConfiguration, instance: String, secret: [UInt8]?, _ logger: Logger
    ) throws {
        self.logger = logger
        tokens = configuration.tokens
        quotaFile = configuration.quotaFile ?? "/var/lib/berth/\(instance).quota"
        var (watch, file) = (tokens.map { FileWatch($0) }, TokenFile())
        if let tokens { try watch?.readNow { file = try Self.read(tokens) } }
        reading = Mutex(watch.map { Reading(watch: $0) })
        access = AccessControl(
            configuration.tenants, file, secret: secret, ownUser: geteuid(), seconds: { time(nil) })
        try restore()
    }

    private static func read(_ path: String) throws -> TokenFile {
        do {
            return try TokenFile(
                parsing: String(
                    decoding: try SmallFile.read(path, "the token file", maxSize: TokenFile.maxSize), as: UTF8.self))
        } catch let error as RPCError {
            throw Failure(error.message, code: 2)
        } catch {
            throw Failure("the token file \(path): \(error)", code: 2)
        }
    }

    // MARK: Changes

    /// Looks for changes, and saves, until the task is cancelled.
    /// - Parameter count: counts what tenants' leases have used by now.
    func run(_ count: () -> Void) async {
        var saved = access.quotas
        while true {
            do { try await Task.sleep(for: Self.interval) } catch { break }
            readTokens(always: false)
            count()
            let quotas = access.quotas
            if quotas != saved, save(quotas) { saved = quotas }
        }
        save(access.quotas)
    }

    /// Takes new settings of tenants, and reads the tokens again.
    func reload(_ configuration: ServerConfiguration) {
        access.set(configuration.tenants)
        readTokens(always: true)
    }

    /// - Parameter always: whether they are read also if their file is the one that was read last.
    private func readTokens(always: Bool) {
        guard let tokens else { return }
        reading.withLock { reading in
            func read() throws {
                let file = try Self.read(tokens)
                access.set(file)
                reading?.failure = nil
                logger.notice("the tokens are read again", metadata: ["tokens.count": "\(file.entries.count)"])
            }
            guard var watch = reading?.watch else { return }
            defer { reading?.watch = watch }
            do {
                if always { try watch.readNow(read) } else { try watch.look(read) }
            } catch {
                let words = (error as? Failure)?.message ?? "\(error)"
                // It is tried again at each look.
                guard always || words != reading?.failure else { return }
                reading?.failure = words
                logger.error("the tokens can't be read again, those before stay valid", metadata: ["error": "\(words)"])
            }
        }
    }

    // MARK: Figures

    private func restore() throws {
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: quotaFile)) else {
            // There is none before the first run; what can't be read would be overwritten.
            guard !FileManager.default.fileExists(atPath: quotaFile) else {
                throw Failure("the quota file \(quotaFile) can't be read")
            }
            return
        }
        guard let file = QuotaFile(parsing: String(decoding: data, as: UTF8.self)) else {
            throw Failure(
                "the quota file \(quotaFile) is not one of this version; move it away to begin with nothing used")
        }
        access.restore(file)
    }

    /// Saves what tenants have used by now.
    func saveNow() { save(access.quotas) }

    @discardableResult
    private func save(_ quotas: QuotaFile) -> Bool {
        do {
            try AtomicFile.write(quotaFile, quotas.text, mode: 0o600)
            return true
        } catch {
            logger.error(
                "the use of tenants can't be saved, a restart would forget it",
                metadata: ["file": "\(quotaFile)", "error": "\((error as? Failure)?.message ?? "\(error)")"])
            return false
        }
    }
}

/// Writes files as a whole or not at all, also if the machine stops meanwhile.
enum AtomicFile {
    static func write(_ path: String, _ text: String, mode: mode_t) throws {
        if let slash = path.lastIndex(of: "/"), slash > path.startIndex { mkdir(String(path[..<slash]), 0o700) }
        let temporary = "\(path).new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw Failure("\(temporary): \(String(cString: strerror(errno)))") }
        let bytes = Array(text.utf8)
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            done += count
        }
        let isWritten = done == bytes.count && fsync(descriptor) == 0
        let words = String(cString: strerror(errno))
        close(descriptor)
        guard isWritten, rename(temporary, path) == 0 else {
            let reason = isWritten ? String(cString: strerror(errno)) : words
            unlink(temporary)
            throw Failure("\(path): \(reason)")
        }
    }
}
