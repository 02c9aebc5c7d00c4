// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema

extension Execution {
    /// A piece of a program's output, as text.
    public struct Text: Sendable, Equatable {
        public var stream: OutputStream
        /// Whole characters; U+FFFD stands for what is not UTF-8.
        public var text: String
        /// Number of bytes that are missing before this piece.
        public var dropped: UInt64
    }

    /// The output in whole characters, as it arrives: a character whose bytes arrive separately is held back until it is
    /// complete. Iterate it once, instead of the execution. It throws the same errors.
    ///
    ///     for try await piece in execution.text { print(piece.text, terminator: "") }
    public var text: TextSequence { TextSequence(execution: self) }

    /// See `text`.
    public struct TextSequence: AsyncSequence, Sendable {
        fileprivate let execution: Execution

        public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(events: execution.makeAsyncIterator()) }

        public struct AsyncIterator: AsyncIteratorProtocol {
            /// How the program ended; nil before its end.
            public private(set) var ended: Ended?
            fileprivate var events: Execution.AsyncIterator
            private var readers: [OutputStream: TextReader] = [:]
            /// Text that was still held back when the program ended.
            private var last: [Text] = []

            fileprivate init(events: Execution.AsyncIterator) {
                self.events = events
            }

            public mutating func next() async throws -> Text? {
                while let event = try await events.next() {
                    switch event {
                    case .output(let output):
                        let text = readers[output.stream, default: TextReader()].read(output.data)
                        if !text.isEmpty { return Text(stream: output.stream, text: text, dropped: 0) }
                    case .dropped(let dropped):
                        // Bytes after the gap do not complete a character that was held back before it.
                        let text = readers[dropped.stream, default: TextReader()].end()
                        return Text(stream: dropped.stream, text: text, dropped: dropped.bytes)
                    case .ended(let ended):
                        self.ended = ended
                        for stream in [OutputStream.stderr, .stdout] {
                            guard let text = readers[stream]?.end(), !text.isEmpty else { continue }
                            last.append(Text(stream: stream, text: text, dropped: 0))
                        }
                    case .started, .display, .failure, .prompt, .outputEnded, .unknown: break
                    }
                }
                return last.popLast()
            }
        }
    }
}
