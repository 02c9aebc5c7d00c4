// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TestSupport

/// A program on a terminal, as the leader of its session. The test has the other end of the terminal.
final class TerminalProgram: Sendable {
    /// POSIX_SPAWN_SETSID, which the imported headers leave out.
    private static let newSession: Int16 = 0x80

    private let main: Int32
    /// Kept open, so that the terminal can be examined after the program has ended.
    private let terminal: Int32
    private let pid: pid_t
    private let shown = Mutex<[UInt8]>([])
    private let status = Mutex<Int32?>(nil)

    init(
        _ path: String, _ arguments: [String], environment: [String: String] = [:], rows: UInt16 = 30,
        columns: UInt16 = 100
    ) throws {
        var (main, terminal): (Int32, Int32) = (-1, -1)
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        var name = [CChar](repeating: 0, count: 128)
        guard openpty(&main, &terminal, &name, nil, &size) == 0 else { throw MissingPart("a pseudo-terminal") }
        for descriptor in [main, terminal] { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        self.main = main
        self.terminal = terminal

        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        // The first terminal that the leader of a session opens becomes the session's.
        posix_spawnattr_setflags(&attributes, Self.newSession)
        posix_spawn_file_actions_addopen(&actions, 0, name, O_RDWR, 0)
        posix_spawn_file_actions_adddup2(&actions, 0, 1)
        posix_spawn_file_actions_adddup2(&actions, 0, 2)
        let all = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
        var argv = ([path] + arguments).map { strdup($0) } + [nil]
        var envp = all.map { strdup("\($0)=\($1)") } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var pid: pid_t = 0
        let result = posix_spawn(&pid, path, &actions, &attributes, &argv, &envp)
        guard result == 0 else { throw MissingPart("\(path): \(String(cString: strerror(result)))") }
        self.pid = pid
        Thread.detachNewThread { [self, main] in
            var chunk = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = read(main, &chunk, chunk.count)
                guard count > 0 else { break }
                shown.withLock { $0 += chunk[..<count] }
            }
            // Closed by who reads from it: another terminal of the same number would be read in its place.
            close(main)
        }
        Thread.detachNewThread { [self, pid] in
            var word: Int32 = 0
            while waitpid(pid, &word, 0) < 0, errno == EINTR {}
            status.withLock { $0 = word & 0x7f == 0 ? word >> 8 & 0xff : 128 + word & 0x7f }
        }
    }

    /// Runs `body` with `berth run` and the arguments. It is gone afterwards, whatever happens.
    static func with(
        _ server: ServerProcess, _ arguments: [String], environment: [String: String] = [:], address: String? = nil,
        _ body: (TerminalProgram) async throws -> Void
    ) async throws {
        let program = try TerminalProgram(
            BuildProducts.program("berth"), arguments,
            environment: ["BERTH_SERVER": address ?? server.address, "TERM": "vt220"].merging(environment) { $1 })
        var failure: (any Error)?
        do {
            try await body(program)
        } catch {
            failure = NeverHappened(description: "\(error); on the screen:\n\(program.screen)")
        }
        program.signal(SIGKILL)
        try await eventually("its end") { program.ended }
        close(program.terminal)
        if let failure { throw failure }
    }

    /// Everything that was written to the terminal.
    var screen: String { shown.withLock { String(decoding: $0, as: UTF8.self) } }

    var ended: Bool { status.withLock { $0 != nil } }

    func type(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(main, bytes, bytes.count)
    }

    func signal(_ number: Int32) {
        if !ended { kill(pid, number) }
    }

    /// Waits until `text` is shown after the position `since`.
    func shows(_ text: String, since: Int = 0, within limit: Duration = .seconds(20)) async throws {
        try await eventually("\"\(text)\" is shown", within: limit) { self.screen.dropFirst(since).contains(text) }
    }

    /// Waits for its exit status, which is 128+n for signal n.
    func end(within limit: Duration = .seconds(20)) async throws -> Int32 {
        try await eventually("its end", within: limit) { self.ended }
        return status.withLock { $0 ?? -1 }
    }

    /// Changes the size; the kernel informs the program in the foreground.
    func resize(rows: UInt16, columns: UInt16) {
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(main, UInt(TIOCSWINSZ), &size)
    }

    /// Those modes of the terminal that `berth` may change.
    struct Modes: Equatable {
        var input, output, local, control: UInt32
    }

    var modes: Modes {
        var modes = termios()
        _ = tcgetattr(terminal, &modes)
        return Modes(input: modes.c_iflag, output: modes.c_oflag, local: modes.c_lflag, control: modes.c_cflag)
    }

    var isRaw: Bool { modes.local & UInt32(ICANON | ECHO | ISIG) == 0 }

    var isStopped: Bool {
        let stat = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
        return stat.split(separator: ")").last?.split(separator: " ").first == "T"
    }
}
