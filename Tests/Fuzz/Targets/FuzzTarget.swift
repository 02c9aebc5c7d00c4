// SPDX-License-Identifier: Apache-2.0

/// What is fuzzed, by libFuzzer, which `Tests/Fuzz/run` starts, and by tests that replay what libFuzzer has found.
enum FuzzTarget: String, CaseIterable, Sendable {
    /// Frames in a byte stream, however it is cut.
    case frameDecoder = "frame-decoder"
    /// Input from an agent: a whole connection, whose other end sends anything.
    case fromAgent = "from-agent"
    /// Input from the server: the whole agent, which starts no programs here.
    case toAgent = "to-agent"

    /// - Returns: the rule that was broken; nil if there is none.
    func run(_ input: UnsafeRawBufferPointer) -> String? {
        switch self {
        case .frameDecoder: FrameDecoderTarget.run(input)
        case .fromAgent: FromAgentTarget.run(input)
        case .toAgent: ToAgentTarget.run(input)
        }
    }
}
