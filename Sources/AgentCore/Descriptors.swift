// SPDX-License-Identifier: Apache-2.0

internal import CAgent
internal import Glibc

/// A failed system call.
struct SystemError: Error {
    let call: StaticString
    let number: Int32

    /// Reads `errno` at once, before any clean-up changes it.
    init(_ call: StaticString) {
        number = errno
        self.call = call
    }

    /// - Parameter result: the negative errno that a function of `CAgent` or `CLinux` returned.
    init(_ call: StaticString, _ result: Int32) {
        number = -result
        self.call = call
    }

    var words: String { "\(call): \(String(cString: strerror(number)))" }
}

/// An open descriptor, which is closed when its lifetime ends.
struct Descriptor: ~Copyable {
    let raw: Int32

    init(_ raw: Int32) { self.raw = raw }

    init(_ raw: Int32, of call: StaticString) throws(SystemError) {
        guard raw >= 0 else { throw SystemError(call) }
        self.raw = raw
    }

    deinit { close(raw) }

    func makeNonblocking() throws(SystemError) {
        let flags = fcntl(raw, F_GETFL)
        guard flags >= 0, fcntl(raw, F_SETFL, flags | O_NONBLOCK) == 0 else { throw SystemError("fcntl") }
    }

    /// A copy with a number of at least `minimum`, which is closed on exec.
    static func copy(of raw: Int32, minimum: Int32) throws(SystemError) -> Descriptor {
        try Descriptor(fcntl(raw, F_DUPFD_CLOEXEC, minimum), of: "fcntl")
    }
}

/// Both ends of a pipe.
struct Pipe: ~Copyable {
    let input: Descriptor
    let output: Descriptor

    /// - Parameter owner: the user who may open it by name, as a program does with /dev/stdout.
    init(owner: UInt32) throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        let result = berth_pipe_of(owner, &ends)
        guard result == 0 else { throw SystemError("pipe", result) }
        input = Descriptor(ends[0])
        output = Descriptor(ends[1])
    }

    /// Another end of a pipe, by one of its ends, that does not block.
    static func end(of raw: Int32, owner: UInt32, _ flags: Int32) throws(SystemError) -> Descriptor {
        let end = berth_open_end_of(owner, raw, flags)
        guard end >= 0 else { throw SystemError("open the end of a pipe", end) }
        return Descriptor(end)
    }
}

/// The kernel's readiness queue.
struct Epoll: ~Copyable {
    private let descriptor: Descriptor

    init() throws(SystemError) {
        descriptor = try Descriptor(epoll_create1(Int32(EPOLL_CLOEXEC)), of: "epoll_create1")
    }

    /// Reports each change of `raw` once (edge-triggered), as `token`.
    func add(_ raw: Int32, _ events: EPOLL_EVENTS, token: UInt64) throws(SystemError) {
        var event = epoll_event(events: events.rawValue | EPOLLET.rawValue, data: epoll_data(u64: token))
        guard epoll_ctl(descriptor.raw, EPOLL_CTL_ADD, raw, &event) == 0 else { throw SystemError("epoll_ctl") }
    }

    /// Reports a descriptor that is added already as `token` from now on, and once more if it is ready.
    func change(_ raw: Int32, _ events: EPOLL_EVENTS, token: UInt64) {
        var event = epoll_event(events: events.rawValue | EPOLLET.rawValue, data: epoll_data(u64: token))
        epoll_ctl(descriptor.raw, EPOLL_CTL_MOD, raw, &event)
    }

    /// Stops reporting `raw`, even if copies of it are open.
    func remove(_ raw: Int32) { epoll_ctl(descriptor.raw, EPOLL_CTL_DEL, raw, nil) }

    /// - Parameter timeout: milliseconds; -1 is none.
    /// - Returns: how many entries of `events` are filled.
    func wait(_ events: inout [epoll_event], timeout: Int32) -> Int {
        max(0, Int(epoll_wait(descriptor.raw, &events, Int32(events.count), timeout)))
    }
}
