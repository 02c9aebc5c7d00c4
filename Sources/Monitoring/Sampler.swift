// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Pool

/// Takes a sample at each interval, and sends a snapshot to whoever reads `/events`.
final class Sampler: Sendable {
    /// More pages than people look at; others are told to come later.
    static let maxListeners = 16

    private struct State {
        var history = History()
        var listeners: [ObjectIdentifier: EventListener] = [:]
    }

    private let sources: MonitoringServer.Sources
    private let state = NIOLockedValueBox(State())
    private let began = NIODeadline.now()
    /// Tells this start of the server from others.
    private let start = String(UInt64.random(in: .min ... .max), radix: 36)

    init(_ sources: MonitoringServer.Sources) {
        self.sources = sources
    }

    var listenerCount: Int { state.withLockedValue { $0.listeners.count } }
    var history: String { state.withLockedValue { $0.history }.json(start: start) }

    func sample() {
        let figures = sources.figures()
        let uptime = (NIODeadline.now() - began).nanoseconds / 1_000_000
        let (sample, listeners) = state.withLockedValue { state -> (Sample?, [EventListener]) in
            state.history.append(figures, uptime: uptime)
            return (state.history.samples.last, Array(state.listeners.values))
        }
        guard let sample, !listeners.isEmpty else { return }
        let event = event(figures, sample)
        for listener in listeners { listener.send(event) }
    }

    /// Sends it the newest sample at once, and then each one.
    /// - Returns: false if there are too many already.
    func add(_ listener: EventListener) -> Bool {
        let (isAdded, sample) = state.withLockedValue { state -> (Bool, Sample?) in
            guard state.listeners.count < Self.maxListeners else { return (false, nil) }
            state.listeners[ObjectIdentifier(listener)] = listener
            return (true, state.history.samples.last)
        }
        if isAdded, let sample { listener.send(event(sources.figures(), sample)) }
        return isAdded
    }

    func remove(_ listener: EventListener) {
        _ = state.withLockedValue { $0.listeners.removeValue(forKey: ObjectIdentifier(listener)) }
    }

    private func event(_ figures: ServerFigures, _ sample: Sample) -> ByteBuffer {
        ByteBuffer(string: "data: \(figures.snapshot(sample, members: sources.members(), start: start))\n\n")
    }
}
