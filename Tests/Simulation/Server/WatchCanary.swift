// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import NIOCore

/// What canaries make of the events of an execution.
final class WatchCanary {
    private let world: World
    /// An event that comes after the next one.
    private var late: ExecuteEvent?

    init(_ world: World) { self.world = world }

    func altered(_ event: ExecuteEvent) -> [ExecuteEvent] {
        guard let canary = world.canary else { return [event] }
        switch event {
        case .output(let output): return altered(output, canary)
        case .started(var started):
            guard world.chance(0.2) else { return [event] }
            switch canary {
            case .startIsLost: return []
            case .startComesTwice: return [event, event]
            case .memberIsWrong: started.member += "x"
            default: break
            }
            return [.started(started)]
        case .dropped(var gap) where canary == .gapIsTooLong:
            gap.bytes += 1
            return [.dropped(gap)]
        case .ended(let ended):
            let late = late.map { [$0] } ?? []
            self.late = nil
            return late + altered(ended, canary).map { .ended($0) } + after(canary)
        default: return [event]
        }
    }

    private func altered(_ right: Output, _ canary: ServerCanary) -> [ExecuteEvent] {
        var output = right
        if let late {
            self.late = nil
            return [.output(output), late]
        }
        guard world.chance(0.1), !output.data.isEmpty else { return [.output(output)] }
        switch canary {
        case .outputIsLost: return []
        case .outputComesTwice: return [.output(output), .output(output)]
        case .outputIsAltered: output.data[0] ^= 1
        case .outputIsSwapped: output.stream = output.stream == .stdout ? .stderr : .stdout
        case .outputIsCutShort: output.data.removeLast()
        case .outputIsReordered:
            late = .output(output)
            return []
        case .outputIsAnothers:
            let count = min(output.data.count, 1000)
            output.data.replaceSubrange(
                0..<count, with: Script.bytes(7, output.stream, at: output.offset, count: count).readableBytesView)
        case .gapIsInvented:
            return [.dropped(Dropped(stream: output.stream, offset: output.offset, bytes: UInt64(output.data.count)))]
        default: break
        }
        return [.output(output)]
    }

    private func altered(_ ended: Ended, _ canary: ServerCanary) -> [Ended] {
        guard world.chance(0.2) else { return [ended] }
        var other = ended
        switch canary {
        case .endComesTwice: return [ended, ended]
        case .endIsLost: return []
        case .exitCodeIsWrong: other.exitCode += 1
        case .signalIsWrong: if ended.cause == .signalled { other.signal += 1 }
        case .causeIsWrong: other.cause = other.cause == .exited ? .containerLost : .exited
        case .timeOutIsEarly: other.cause = .timedOut
        case .countIsWrong: other.stdoutBytes += 1
        case .countOfStderrIsWrong: other.stderrBytes += 1
        case .truncationIsWrong: other.stdoutTruncated += 1
        default: break
        }
        return [other]
    }

    private func after(_ canary: ServerCanary) -> [ExecuteEvent] {
        canary == .outputAfterEnd && world.chance(0.2) ? [.output(Output(data: [1]))] : []
    }
}
