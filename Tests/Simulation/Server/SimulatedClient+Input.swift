// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import SimulationModel

/// What a client has sent to a program, and what of it was accepted.
final class Typing {
    /// The offset after what was sent, as far as it was not refused.
    var sent: UInt64
    /// The largest that it was.
    var most: UInt64
    /// The offset that an answer has named.
    var accepted: UInt64
    /// An end was sent; an end was accepted.
    var hasSentEnd = false
    var hasEnd = false
    /// Something was refused, and what comes after it is too.
    var hasFailed = false

    init(_ first: Int) { (sent, most, accepted) = (UInt64(first), UInt64(first), UInt64(first)) }
}

/// Input, signals and sizes of terminals.
extension SimulatedClient {
    private func living(_ pick: UInt32, where condition: (ServerBook.Execution) -> Bool) -> ServerBook.Execution? {
        let living = watches.map(\.execution).filter { !$0.name.isEmpty && condition($0) }
        return living.isEmpty ? nil : living[Int(pick) % living.count]
    }

    /// Sends input to a program that keeps it open.
    func type(_ pick: UInt32, _ value: UInt32) {
        if let execution = living(pick, where: { $0.typing != nil }) { type(into: execution, value) }
    }

    /// Mostly it goes on, soon after an answer.
    func goOnTyping(into execution: ServerBook.Execution) {
        guard execution.typing != nil, world.chance(0.8) else { return }
        let value = UInt32(truncatingIfNeeded: world.random.next())
        world.after(world.between(.microseconds(100), .milliseconds(200))) { [weak self] in
            guard let self, watches.contains(where: { $0.execution === execution }) else { return }
            type(into: execution, value)
        }
    }

    private func type(into execution: ServerBook.Execution, _ value: UInt32) {
        guard let typing = execution.typing else { return }
        let size = Int(value / 16 % 1000)
        var (offset, count, isEnd) = (typing.sent, 1 + size * [1, 10, 60][Int(value) % 3], false)
        var isGap = false
        switch value % 16 {
        case 0, 1:
            // Once more, from the middle of what was accepted.
            offset = typing.accepted - min(typing.accepted, UInt64(size))
            count = max(count, Int(typing.sent - offset))
        case 2: (offset, isGap) = (typing.most + 1 + UInt64(size), true)
        case 3: isEnd = true
        default: if typing.hasSentEnd { return }
        }
        count = min(count, 60_000)
        let end = offset + UInt64(count)
        if !isGap {
            (typing.sent, typing.most) = (max(typing.sent, end), max(typing.most, end))
            typing.hasSentEnd = typing.hasSentEnd || isEnd
        }
        let request = InputRequest(
            lease: execution.lease?.token ?? "", execution: execution.name, offset: offset,
            data: Script.input(execution.key, at: offset, count: count), isEnd: isEnd)
        let asked = world.now
        call("input", PoolService.input, request, in: execution.lease) { [self] answer in
            switch answer {
            case .success(var response):
                if world.sings(.inputAnswerIsWrong) { response.offset += 100_000 }
                if let lease = execution.lease { book.found(lease, asked: asked) }
                if isGap || response.offset < end || response.offset > typing.most {
                    world.broken(
                        .input,
                        "\(execution.name): input from \(offset) to \(end) was accepted up to \(response.offset)")
                }
                typing.accepted = max(typing.accepted, response.offset)
                // What was refused before may have been sent once more, and accepted.
                typing.sent = max(typing.sent, typing.accepted)
                if isEnd { typing.hasEnd = true }
                goOnTyping(into: execution)
            case .failure(let error): typed(execution, typing, error, isGap: isGap)
            }
        }
    }

    private func typed(_ execution: ServerBook.Execution, _ typing: Typing, _ error: RPCError, isGap: Bool) {
        if error.reason == .noSuchLease, let lease = execution.lease { book.refused(lease) }
        let isRight: Bool =
            switch error.reason {
            case .inputGap: isGap || typing.hasFailed
            case .inputEnded: typing.hasSentEnd
            default:
                [.failedPrecondition, .notFound, .resourceExhausted, .unavailable, .unauthenticated, .cancelled]
                    .contains(error.code) || isRude
            }
        if !isRight { world.broken(.input, "\(execution.name): input was refused: \(error)") }
        guard !isGap else { return }
        // It goes on where it surely was accepted.
        typing.hasFailed = true
        typing.sent = typing.accepted
    }

    /// Sends a signal, or cancels.
    func signal(_ pick: UInt32, _ value: UInt32) {
        guard let execution = living(pick, where: { _ in true }) else { return }
        let isCancel = value % 3 == 0
        let number: Int32 = isCancel ? 0 : [9, 9, 15, 2, 10, 28, 17, 1][Int(value / 3 % 8)]
        let isHarmless = !isCancel && ServerBook.harmless.contains(number)
        if !isHarmless { execution.isDisturbed = true }
        execution.signals.insert(number)
        call(
            "signal", PoolService.signal,
            SignalRequest(
                lease: execution.lease?.token ?? "", execution: execution.name, signal: number, isCancel: isCancel),
            in: execution.lease
        ) { [world] answer in
            guard case .success = answer, !isHarmless else { return }
            if isCancel { execution.mustEnd(by: world.now + execution.asked.grace + ServerBook.slack) }
            // Programs ignore TERM, and no other.
            if !isCancel, number != 15 { execution.mustDieBy = execution.mustDieBy ?? world.now + .seconds(5) }
        }
    }

    /// Changes the size of a terminal, if there is one.
    func resize(_ pick: UInt32, _ value: UInt32) {
        guard let execution = living(pick, where: { pick % 3 == 0 || $0.asked.size != nil }) else { return }
        let size = Terminal(rows: 1 + value % 200, columns: 1 + value / 200 % 300)
        execution.resizes += 1
        let number = execution.resizes
        call(
            "resize", PoolService.resize,
            ResizeTerminalRequest(lease: execution.lease?.token ?? "", execution: execution.name, terminal: size),
            in: execution.lease
        ) { [world] answer in
            switch answer {
            case .success:
                if execution.asked.size == nil {
                    world.broken(.input, "\(execution.name) has no terminal, and its size was changed")
                }
                (execution.resized, execution.size) = (number, (size.rows, size.columns))
            case .failure(let error):
                if error.reason == .noTerminal, execution.asked.size != nil {
                    world.broken(.input, "\(execution.name) has a terminal, whose size was refused: \(error)")
                }
            }
        }
    }
}
