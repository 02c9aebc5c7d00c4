internal import CSchema

extension Agent {
    /// A terminal's size in characters; 0 is 24 and 80.
    public struct Terminal: Message, Bridged {
        public var rows: UInt32
        public var columns: UInt32
        /// What is typed is not echoed, from the first byte on.
        public var hidesInput: Bool

        public init(rows: UInt32 = 0, columns: UInt32 = 0, hidesInput: Bool = false) {
            self.rows = rows
            self.columns = columns
            self.hidesInput = hidesInput
        }

        static var initialize: @Sendable (UnsafeMutablePointer<Berth__Agent__V1__Terminal>?) -> Void {
            { berth__agent__v1__terminal__init($0) }
        }

        init(_ c: Berth__Agent__V1__Terminal, _ arena: Arena) throws(SchemaError) {
            rows = c.rows
            columns = c.columns
            hidesInput = c.no_echo != 0
        }

        func fill(_ c: UnsafeMutablePointer<Berth__Agent__V1__Terminal>, _ arena: Arena) {
            c.pointee.rows = rows
            c.pointee.columns = columns
            c.pointee.no_echo = hidesInput ? 1 : 0
        }
    }

    /// More standard input.
    public struct InputRequest: Message, Bridged {
        public var execution: UInt64
        /// Of the first byte of `data`.
        public var offset: UInt64
        /// At most 256 KiB.
        public var data: [UInt8]
        /// End of file follows.
        public var isEnd: Bool

        public init(execution: UInt64 = 0, offset: UInt64 = 0, data: [UInt8] = [], isEnd: Bool = false) {
            self.execution = execution
            self.offset = offset
            self.data = data
            self.isEnd = isEnd
        }

        static var initialize: @Sendable (UnsafeMutablePointer<Berth__Agent__V1__InputRequest>?) -> Void {
            { berth__agent__v1__input_request__init($0) }
        }

        init(_ c: Berth__Agent__V1__InputRequest, _ arena: Arena) throws(SchemaError) {
            execution = c.execution
            offset = c.offset
            data = arena.swift(c.data)
            isEnd = c.end != 0
        }

        func fill(_ c: UnsafeMutablePointer<Berth__Agent__V1__InputRequest>, _ arena: Arena) {
            c.pointee.execution = execution
            c.pointee.offset = offset
            c.pointee.data = arena.bytes(data)
            c.pointee.end = isEnd ? 1 : 0
        }
    }

    /// Answers `InputRequest`.
    public struct InputResponse: Message, Bridged {
        /// Of the next byte that is expected.
        public var offset: UInt64

        public init(offset: UInt64 = 0) {
            self.offset = offset
        }

        static var initialize: @Sendable (UnsafeMutablePointer<Berth__Agent__V1__InputResponse>?) -> Void {
            { berth__agent__v1__input_response__init($0) }
        }

        init(_ c: Berth__Agent__V1__InputResponse, _ arena: Arena) throws(SchemaError) {
            offset = c.offset
        }

        func fill(_ c: UnsafeMutablePointer<Berth__Agent__V1__InputResponse>, _ arena: Arena) {
            c.pointee.offset = offset
        }
    }

    /// A terminal's new size.
    public struct ResizeRequest: Message, Bridged {
        public var execution: UInt64
        public var terminal: Terminal

        public init(execution: UInt64 = 0, terminal: Terminal = Terminal()) {
            self.execution = execution
            self.terminal = terminal
        }

        static var initialize: @Sendable (UnsafeMutablePointer<Berth__Agent__V1__ResizeRequest>?) -> Void {
            { berth__agent__v1__resize_request__init($0) }
        }

        init(_ c: Berth__Agent__V1__ResizeRequest, _ arena: Arena) throws(SchemaError) {
            execution = c.execution
            terminal = try Terminal(nested: c.terminal, arena, default: Terminal())
        }

        func fill(_ c: UnsafeMutablePointer<Berth__Agent__V1__ResizeRequest>, _ arena: Arena) {
            c.pointee.execution = execution
            c.pointee.terminal = terminal.build(arena)
        }
    }
}
