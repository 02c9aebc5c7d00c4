import AgentCore
import Glibc

exit(AgentCommand.run(CommandLine.arguments))
