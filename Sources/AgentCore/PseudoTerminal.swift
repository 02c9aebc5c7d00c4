// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import CAgent
internal import Glibc

/// Both ends of a pseudo-terminal.
struct PseudoTerminal: ~Copyable {
    let master: Descriptor
    let programSide: Descriptor

    /// - Parameter owner: the user it belongs to.
    init(owner: UInt32, _ size: Agent.Terminal) throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        let (rows, columns) = PseudoTerminal.size(size)
        let result = berth_open_terminal(owner, rows, columns, size.hidesInput ? 0 : 1, &ends)
        guard result == 0 else {
            throw SystemError("open a terminal", result)
        }
        master = Descriptor(ends[0])
        programSide = Descriptor(ends[1])
    }

    static func resize(_ master: Int32, _ size: Agent.Terminal) {
        let (rows, columns) = PseudoTerminal.size(size)
        _ = berth_resize_terminal(master, rows, columns)
    }

    private static func size(_ size: Agent.Terminal) -> (rows: UInt16, columns: UInt16) {
        (
            UInt16(clamping: size.rows == 0 ? 24 : size.rows), UInt16(clamping: size.columns == 0 ? 80 : size.columns)
        )
    }
}
