// SPDX-License-Identifier: Apache-2.0

/// What is fuzzed: by libFuzzer, which `Tests/Fuzz/run` starts, and by the tests, which feed it what libFuzzer has found.
enum FuzzTarget: String, CaseIterable, Sendable {
    /// Frames in a byte stream, however it is cut.
    case frameDecoder = "frame-decoder"
    /// What the server takes from an agent: a whole connection, whose other end says anything.
    case fromAgent = "from-agent"
    /// What the agent takes from the server: the whole agent, but that it starts no programs.
    case toAgent = "to-agent"

    /// - Returns: the rule that was broken; nil: none.
    func run(_ input: UnsafeRawBufferPointer) -> String? {
        switch self {
        case .frameDecoder: FrameDecoderTarget.run(input)
        case .fromAgent: FromAgentTarget.run(input)
        case .toAgent: ToAgentTarget.run(input)
        }
    }
}
