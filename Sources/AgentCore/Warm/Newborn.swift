// SPDX-License-Identifier: Apache-2.0

internal import CAgent
internal import Glibc

/// A process that a zygote has forked, or is about to, and that waits for what it is to become.
final class Newborn {
    enum Answer {
        /// It is what it was to become, and begins.
        case begins
        /// It can't, or there is no such process; an exec must do.
        case refuses
    }

    /// Maximum bytes of what a process is told: they are sent at once, so they must fit into the socket.
    static let maxOrder = 128 << 10

    private let control: Descriptor
    /// 0 until it is known.
    private(set) var pid: pid_t = 0
    private(set) var answer: Answer?
    /// Whether it was told what to become.
    private(set) var hasOrder = false

    /// - Parameter control: the agent's end of its socket.
    init(_ control: consuming Descriptor) { self.control = control }

    var raw: Int32 { control.raw }

    /// Another descriptor of its socket.
    func copyOfControl() throws(SystemError) -> Descriptor { try .copy(of: control.raw, minimum: 3) }

    /// Tells it what to become.
    /// - Returns: false if that was not possible.
    func become(_ order: [UInt8], input: Int32, output: Int32, error: Int32) -> Bool {
        hasOrder = true
        let ends = [input, output, error]
        return order.withUnsafeBytes {
            berth_send_with_descriptors(control.raw, $0.baseAddress, $0.count, ends, Int32(ends.count)) == 0
        }
    }

    /// Reads what has come. What a context sends after its answer is left.
    func look() {
        while answer == nil {
            var front = [UInt8](repeating: 0, count: 16)
            let count = recv(control.raw, &front, front.count, Int32(MSG_DONTWAIT) | Int32(MSG_PEEK))
            if count < 0, errno == EINTR { continue }
            guard count != 0, count > 0 || errno == EAGAIN else {
                answer = .refuses
                return
            }
            guard count > 0 else { return }
            switch front[0] {
            case UInt8(ascii: "p"):
                guard let end = front[..<count].firstIndex(of: UInt8(ascii: "\n")) else { return }
                pid = pid_t(String(decoding: front[1..<end], as: UTF8.self)) ?? 0
                take(end + 1)
                if pid <= 1 { answer = .refuses }
            case UInt8(ascii: "r") where hasOrder && pid > 1:
                take(1)
                answer = .begins
            default: answer = .refuses
            }
        }
    }

    /// Makes it end: it begins nothing without having answered. What it has said before is read, so that it can be killed.
    func refuseAnswer() {
        shutdown(control.raw, Int32(SHUT_RDWR))
        look()
    }

    private func take(_ count: Int) {
        var bytes = [UInt8](repeating: 0, count: count)
        _ = recv(control.raw, &bytes, count, Int32(MSG_DONTWAIT))
    }

    /// Whether another process has stopped it, which is possible between its change of user and its answer.
    var isStopped: Bool {
        var state = berth_process_state()
        return pid > 1 && berth_get_process_state(pid, &state) == 0 && state.state == CChar(UInt8(ascii: "T"))
    }

    func kill() { if pid > 1 { Glibc.kill(pid, SIGKILL) } }
}
