// The messages that users of the client see, by name, so that `import BerthClient` is all they need. Requests, the codec
// and what server and agent tell each other are not among them.

// What comes of a program
@_exported public import struct Schema.Display
@_exported public import struct Schema.Dropped
@_exported public import enum Schema.EndCause
@_exported public import struct Schema.Ended
@_exported public import enum Schema.ExecuteEvent
@_exported public import struct Schema.ExecutionInfo
@_exported public import struct Schema.Failure
@_exported public import struct Schema.LeftOut
@_exported public import struct Schema.MimeData
@_exported public import struct Schema.Output
@_exported public import enum Schema.OutputPolicy
@_exported public import enum Schema.OutputStream
@_exported public import struct Schema.Prompt
@_exported public import enum Schema.StartFailure
@_exported public import struct Schema.Started
@_exported public import struct Schema.Terminal
@_exported public import enum Schema.Unwatched
@_exported public import struct Schema.Usage

// Files and names that may be no UTF-8
@_exported public import struct Schema.FileInfo
@_exported public import enum Schema.FileType
@_exported public import struct Schema.SystemString
@_exported public import protocol Schema.SystemText

// The server and its pools
@_exported public import enum Schema.BreakerState
@_exported public import struct Schema.HelloResponse
@_exported public import struct Schema.Member
@_exported public import enum Schema.MemberState
@_exported public import struct Schema.PoolStats
@_exported public import struct Schema.StatsResponse
