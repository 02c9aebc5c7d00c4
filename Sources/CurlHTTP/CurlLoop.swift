// SPDX-License-Identifier: Apache-2.0

internal import CCurl
internal import CCurlLoader
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The thread that owns the multi handle and every transfer on it. Other threads only leave commands and wake it.
final class CurlLoop: Sendable {
    private enum Command {
        case start(Transfer)
        case cancel(Transfer)
        case resume(Transfer)
    }

    private struct Mailbox {
        var commands: [Command] = []
        var isShutDown = false
        /// Set while the thread lives. It is used for waking the thread, and only under the lock, so that it can't be
        /// freed meanwhile.
        var multi: Multi?
    }

    /// Sendable because other threads only call curl_multi_wakeup, which is allowed on any thread.
    private struct Multi: @unchecked Sendable { let handle: UnsafeMutableRawPointer }

    /// Why libcurl can't be used; nil if it is ready.
    private static let failure: String? = {
        if let words = berth_load_curl() { return "libcurl can't be loaded: \(String(cString: words))" }
        return curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK ? nil : "libcurl could not be set up"
    }()

    private let endpoint: HTTPEndpoint
    private let commands: CommandConnector?
    private let mailbox: Mutex<Mailbox>

    init(endpoint: HTTPEndpoint) throws(HTTPError) {
        if let failure = CurlLoop.failure { throw HTTPError(.invalidRequest, failure) }
        guard let multi = curl_multi_init() else { throw HTTPError(.invalidRequest, "libcurl is out of memory") }
        self.endpoint = endpoint
        commands = CommandConnector.of(endpoint)
        // How many connections are kept for later requests.
        berth_multi_setopt_long(multi, CURLMOPT_MAXCONNECTS, 8)
        mailbox = Mutex(Mailbox(multi: Multi(handle: multi)))
        try startThread()
    }

    private func startThread() throws(HTTPError) {
        var thread = pthread_t()
        let loop = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<CurlLoop>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, loop.toOpaque())
        guard code == 0 else {
            loop.release()
            mailbox.withLock { mailbox in
                if let multi = mailbox.multi { curl_multi_cleanup(multi.handle) }
                mailbox.multi = nil
                mailbox.isShutDown = true
            }
            throw HTTPError(.invalidRequest, "no thread for libcurl: \(String(cString: strerror(code)))")
        }
        pthread_detach(thread)
    }

    // MARK: On any thread

    func start(_ transfer: Transfer, _ continuation: CheckedContinuation<Result<HTTPResponse, HTTPError>, Never>) {
        transfer.continuation = continuation
        // The cancellation handler may have run already; then its command was for a transfer that the thread did not
        // know yet.
        let isLate = !leave(.start(transfer)) || Task.isCancelled
        guard isLate else { return }
        if !leave(.cancel(transfer)) { transfer.end(.failure(HTTPError(.cancelled, "the client is shut down"))) }
    }

    func cancel(_ transfer: Transfer) { leave(.cancel(transfer)) }
    func resume(_ transfer: Transfer) { leave(.resume(transfer)) }

    func shutdown() {
        mailbox.withLock { mailbox in
            mailbox.isShutDown = true
            if let multi = mailbox.multi { curl_multi_wakeup(multi.handle) }
        }
    }

    /// Returns false if the thread no longer takes commands.
    @discardableResult
    private func leave(_ command: Command) -> Bool {
        mailbox.withLock { mailbox in
            guard !mailbox.isShutDown, let multi = mailbox.multi else { return false }
            mailbox.commands.append(command)
            curl_multi_wakeup(multi.handle)
            return true
        }
    }

    // MARK: On the loop's thread

    private func run() {
        guard let multi = mailbox.withLock({ $0.multi })?.handle else { return }
        var active: [UnsafeMutableRawPointer: Transfer] = [:]
        while true {
            let (commands, isShutDown) = mailbox.withLock { mailbox in
                defer { mailbox.commands = [] }
                return (mailbox.commands, mailbox.isShutDown)
            }
            for command in commands { carryOut(command, multi, &active) }
            if isShutDown { break }
            var running: Int32 = 0
            curl_multi_perform(multi, &running)
            collect(multi, &active)
            // Commands wake it, and curl shortens the wait to its own timers.
            curl_multi_poll(multi, nil, 0, 60_000, nil)
        }
        for transfer in active.values {
            finish(transfer, multi, &active, .failure(HTTPError(.cancelled, "the client is shut down")))
        }
        mailbox.withLock { $0.multi = nil }
        curl_multi_cleanup(multi)
    }

    private func carryOut(
        _ command: Command, _ multi: UnsafeMutableRawPointer, _ active: inout [UnsafeMutableRawPointer: Transfer]
    ) {
        switch command {
        case .start(let transfer):
            do throws(HTTPError) {
                try transfer.prepare(for: endpoint, commands: commands)
                guard let easy = transfer.easy, curl_multi_add_handle(multi, easy) == CURLM_OK else {
                    throw HTTPError(.invalidRequest, "libcurl is out of memory")
                }
                active[easy] = transfer
            } catch {
                transfer.end(.failure(error))
            }
        case .cancel(let transfer):
            guard let easy = transfer.easy, active[easy] != nil else { return }
            finish(transfer, multi, &active, .failure(HTTPError(.cancelled, "cancelled")))
        case .resume(let transfer):
            guard let easy = transfer.easy, active[easy] != nil else { return }
            curl_easy_pause(easy, CURLPAUSE_CONT)
        }
    }

    private func collect(_ multi: UnsafeMutableRawPointer, _ active: inout [UnsafeMutableRawPointer: Transfer]) {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle,
                let transfer = active[easy]
            else { continue }
            finish(transfer, multi, &active, transfer.outcome(berth_result(message)))
        }
    }

    private func finish(
        _ transfer: Transfer, _ multi: UnsafeMutableRawPointer, _ active: inout [UnsafeMutableRawPointer: Transfer],
        _ result: Result<HTTPResponse, HTTPError>
    ) {
        if let easy = transfer.easy {
            active[easy] = nil
            curl_multi_remove_handle(multi, easy)
        }
        transfer.end(result)
    }
}

extension Transfer {
    /// Frees the handle, then returns the result to the caller.
    fileprivate func end(_ result: Result<HTTPResponse, HTTPError>) {
        release()
        lines?.finish()
        let caller = continuation
        continuation = nil
        caller?.resume(returning: result)
    }
}
