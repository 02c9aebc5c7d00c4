// SPDX-License-Identifier: Apache-2.0

internal import AgentCore
internal import AgentSchema
internal import BerthRPC
internal import BerthSchema
internal import NIOCore

/// The standard input of a simulated program: the agent's own queue, and a pipe that the program reads at its own pace.
final class ModelInput {
    private static let pipeSize = 64 << 10

    private let key: UInt32
    private let world: World
    private var queue: InputQueue
    private var calls: [UInt32: ServerCall] = [:]
    private var lastCall: UInt32 = 0
    private var inPipe = 0
    /// Bytes that have come into the pipe.
    private var received: UInt64 = 0
    /// How much the program reads, and how often; nil: it reads nothing.
    private let pace: (bytes: Int, time: TimeAmount)?
    private(set) var isClosed = false
    /// Whether callers say what comes, so that each byte is known.
    private let isKnown: Bool

    init(_ request: Agent.ExecuteRequest, key: UInt32, _ world: World) {
        (self.key, self.world, isKnown) = (key, world, request.keepsStdinOpen)
        queue = InputQueue(first: request.stdin, hasEnd: !request.keepsStdinOpen)
        pace =
            key % 5 == 0
            ? nil : ([500, 8_000, 64_000][Int(key / 5 % 3)], .milliseconds([1, 20, 300][Int(key / 15 % 3)]))
    }

    /// The offset after what was accepted.
    var expected: UInt64 { queue.expected }
    var hasEnd: Bool { queue.hasEnd }

    /// The program has begun.
    func begin() {
        feed()
        read()
    }

    private func read() {
        guard let pace, isKnown, !isClosed, !(queue.hasEnd && queue.waiting == 0 && inPipe == 0) else { return }
        world.after(pace.time) { [weak self] in
            guard let self, !isClosed else { return }
            inPipe -= min(inPipe, pace.bytes)
            feed()
            read()
        }
    }

    func add(_ right: Agent.InputRequest, _ call: ServerCall) throws(RPCError) {
        guard right.data.count <= InputQueue.largestCall else {
            throw RPCError(.invalidArgument, "\(right.data.count) bytes")
        }
        let request = altered(right)
        lastCall += 1
        do throws(InputQueue.Refusal) {
            try queue.add(request.data, at: request.offset, isEnd: request.isEnd, streamID: lastCall)
        } catch {
            throw refusal(error)
        }
        calls[lastCall] = call
        feed()
    }

    /// What a canary makes of it.
    private func altered(_ right: Agent.InputRequest) -> Agent.InputRequest {
        var request = right
        switch world.canary {
        case .laterInputIsLost where world.chance(0.3) && !request.data.isEmpty: request.data.removeLast()
        case .inputIsAltered where world.chance(0.3) && !request.data.isEmpty: request.data[0] ^= 1
        case .inputComesTwice where world.chance(0.3): request.data += request.data
        case .inputEndIsLost: request.isEnd = false
        case .inputGapIsTaken: request.offset = min(request.offset, queue.expected)
        default: break
        }
        return request
    }

    private func refusal(_ refusal: InputQueue.Refusal) -> RPCError {
        switch refusal {
        case .gap(let expected): RPCError(.failedPrecondition, "offset \(expected) is expected", .inputGap)
        case .ended(let end): RPCError(.failedPrecondition, "the input has ended at \(end)", .inputEnded)
        case .endsEarly(let expected): RPCError(.failedPrecondition, "the input goes on to \(expected)")
        case .closed: RPCError(.failedPrecondition, "the program no longer reads its input")
        case .full: RPCError(.resourceExhausted, "too much input waits for the program to read")
        }
    }

    private func feed() {
        guard !isClosed else { return }
        queue.drain { bytes in
            let count = min(bytes.count, ModelInput.pipeSize - inPipe)
            guard count > 0 else { return -1 }
            if isKnown, Script.input(key, at: received, count: count) != Array(bytes[..<count]) {
                world.broken(.input, "program \(key) gets other bytes at \(received) of its input than were sent")
            }
            received += UInt64(count)
            inPipe += count
            return count
        }
        for call in queue.answerable() {
            calls.removeValue(forKey: call.streamID)?.respond(Agent.InputResponse(offset: call.end))
        }
    }

    /// Its execution has ended.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        for call in queue.close() {
            calls.removeValue(forKey: call.streamID)?.fail(
                RPCError(.failedPrecondition, "the execution has ended"))
        }
    }
}
