// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import NIOCore
import ServerSimulation
import SimulationModel

/// Programs for an agent, and what the other end of its stream does about them. What is seen of them depends on nothing but the
/// story, whatever the machine does meanwhile; what is free is in no line of it.
struct AgentStory {
    struct Execution {
        enum Deed {
            case none
            /// Signals, one after another; 0 is a cancel.
            case signal([Int32], grace: UInt64)
            /// More is acknowledged than was sent, then it is killed.
            case acknowledgeTooMuch
            /// The agent is reset, after all that runs beside it has come as far.
            case reset
        }

        /// When the deed is done.
        enum Moment { case atOnce, started, after(Int) }

        var key: UInt32 = 0
        var script = Script()
        var input = 0
        /// How the program reads its input: `r` to the end before all else, `c` closes it, empty: not at all.
        var reading = ""
        var window = 1 << 16
        /// How many bytes are acknowledged at a time; nil: none at all.
        var piece: Int? = 1 << 16
        var timeout: UInt64 = 0
        var grace: UInt64 = 0
        var maxOutput: UInt64 = 0
        var killsAtMaxOutput = false
        var keepsBackground = false
        var outputGrace: UInt64 = 0
        var deed = Deed.none
        var moment = Moment.started
        /// Whether it depends on the machine how much was written until the end.
        var isCut = false
        /// Whether it depends on the machine how far the start had come.
        var isEarly = false
        /// Something that no agent takes.
        var fault: Fault?
    }

    enum Fault: CaseIterable { case number, argv, directory, window }

    var executions: [Execution] = []
    /// How many of them run beside each other, from the first on.
    var beside: [Int] = []
    /// How many of the last ones run when the agent is reset.
    var atReset = 0

    init(_ random: inout Randomness) {
        for _ in 0..<6 {
            beside.append(1 + random.below(3))
            for _ in 0..<(beside.last ?? 0) {
                executions.append(Execution(key: UInt32(1 + executions.count), &random))
            }
        }
        atReset = 1 + random.below(3)
        for _ in 0..<atReset {
            var last = Execution(key: UInt32(1 + executions.count))
            last.rests(&random)
            last.deed = .reset
            executions.append(last)
        }
    }

    var scripts: [UInt32: Script] {
        executions.reduce(into: [:]) { $0[$1.key] = $1.script }
    }
}

extension AgentStory.Execution {
    init(key: UInt32) { self.key = key }

    init(key: UInt32, _ random: inout Randomness) {
        self.key = key
        window = [1000, 5000, 1 << 16, 1 << 20][random.below(4)]
        piece = 1 + random.below(window)
        input = random.chance(0.3) ? 1 + random.below(random.chance(0.5) ? 100 : 200_000) : 0
        reading = input == 0 ? "" : ["r", "c", ""][random.below(3)]
        switch random.below(20) {
        case 0..<9: endsByItself(&random)
        case 9..<13: isEndedAtRest(&random)
        case 13..<15: isCutOff(&random)
        case 15, 16: writesTooMuch(&random)
        case 17: isEndedEarly(&random)
        case 18: takesTooLong(&random)
        default: fault = AgentStory.Fault.allCases[random.below(4)]
        }
    }

    /// Bytes that are written to each stream, if nothing ends it before.
    var written: (stdout: Int, stderr: Int) {
        (script.steps + (script.helper ?? [])).reduce(into: (0, 0)) { sum, step in
            guard case .write(let stream, let count) = step else { return }
            if stream == .stdout { sum.0 += count } else { sum.1 += count }
        }
    }

    private mutating func write(_ random: inout Randomness, _ streams: [OutputStream], pieces: Int) -> [Script.Step] {
        // So that no story takes more than some hundred acknowledgements.
        let scale = min([10, 3000, 40_000, 300_000][random.below(4)], (piece ?? window) * 40)
        return (0..<pieces).map { _ in
            random.chance(0.1)
                ? .sleep(.milliseconds(Int64(random.below(4))))
                : .write(streams[random.below(streams.count)], 1 + random.below(scale))
        }
    }

    /// It writes, and a helper to the other stream, so that it is known what is where.
    private mutating func writes(_ random: inout Randomness) {
        guard random.chance(0.4) else {
            return script.steps = write(&random, [.stdout, .stderr], pieces: random.below(8))
        }
        let isFirst = random.chance(0.5)
        script.steps = write(&random, [isFirst ? .stdout : .stderr], pieces: random.below(5))
        script.helper = write(&random, [isFirst ? .stderr : .stdout], pieces: random.below(5))
        script.helperStays = random.chance(0.5)
    }

    private mutating func endsByItself(_ random: inout Randomness) {
        writes(&random)
        script.ignoresTerm = random.chance(0.2)
        script.end =
            random.chance(0.3)
            ? .signal([1, 2, 6, 9, 11, 14][random.below(6)]) : .exit(Int32(random.below(256)))
        // One that stays is silent for no longer than this, and one that ends has all the time that it needs.
        outputGrace = script.helperStays ? 150 : 5000
        keepsBackground = random.chance(0.4)
        if random.chance(0.3) { maxOutput = UInt64(1 + random.below(20_000)) }
        timeout = random.chance(0.5) ? 200_000 : 0
        grace = random.chance(0.5) ? 5000 : 0
    }

    /// It writes all that it has to, and goes on for ever.
    fileprivate mutating func rests(_ random: inout Randomness) {
        writes(&random)
        if script.helper != nil { script.helperStays = true }
        script.end = .never
        script.ignoresTerm = random.chance(0.4)
        // One byte at least, so that it is seen to have begun.
        if written == (0, 0) { script.steps.append(.write(.stdout, 1)) }
        let written = written
        moment = .after(written.stdout + written.stderr)
    }

    private mutating func isEndedAtRest(_ random: inout Randomness) {
        rests(&random)
        switch random.below(4) {
        case 0: deed = .acknowledgeTooMuch
        case 1: deed = .signal([0], grace: random.chance(0.5) ? 0 : script.ignoresTerm ? 50 : 60_000)
        default:
            // What is ignored is followed by what is not; what ends it is the last.
            let quiet: [Int32] = [17, 18, 23, 28] + (script.ignoresTerm ? [15] : [])
            let fatal: [Int32] = [1, 2, 3, 6, 9, 10, 12, 13, 14, 34, 64] + (script.ignoresTerm ? [] : [15])
            var signals = (0..<random.below(3)).map { _ in quiet[random.below(quiet.count)] }
            signals.append(fatal[random.below(fatal.count)])
            deed = .signal(signals, grace: 0)
        }
    }

    /// It is ended while it writes what nobody takes.
    private mutating func isCutOff(_ random: inout Randomness) {
        script.steps = [.write(.stdout, window + 200_000)]
        script.end = .never
        piece = nil
        isCut = true
        moment = .after(window)
        deed = .signal([0], grace: 0)
    }

    private mutating func writesTooMuch(_ random: inout Randomness) {
        maxOutput = UInt64(1 + random.below(min(window * 20, 50_000)))
        killsAtMaxOutput = true
        piece = window
        script.steps = [
            .write(.stderr, 1 + random.below(500)), .write(.stdout, Int(maxOutput) + 1 + random.below(90_000)),
        ]
        if random.chance(0.5) { script.steps.append(.write(.stdout, 400_000)) }
        if maxOutput < 500 { script.steps.removeFirst() }
        script.end = .never
        script.ignoresTerm = random.chance(0.4)
        grace = [0, script.ignoresTerm ? 50 : 60_000][random.below(2)]
        isCut = true
    }

    private mutating func isEndedEarly(_ random: inout Randomness) {
        script.end = .never
        moment = .atOnce
        isEarly = true
        deed = .signal([random.chance(0.5) ? 0 : 15], grace: random.chance(0.5) ? 0 : 60_000)
    }

    private mutating func takesTooLong(_ random: inout Randomness) {
        script.end = .never
        timeout = UInt64(100 + random.below(200))
        grace = random.chance(0.5) ? 0 : 60_000
    }
}
