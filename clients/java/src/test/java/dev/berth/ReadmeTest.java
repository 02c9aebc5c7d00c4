// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.berth.BerthException.Code;
import dev.berth.v1.HelloResponse;
import java.lang.reflect.Member;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@DisplayName("the README:")
@Timeout(30)
class ReadmeTest {
    private static Set<String> members(Class<?> type) {
        return Stream.<Member>concat(Arrays.stream(type.getMethods()), Arrays.stream(type.getFields()))
                .filter(member -> Modifier.isPublic(member.getModifiers()))
                .map(Member::getName)
                .collect(Collectors.toSet());
    }

    @Test
    @DisplayName("every name of its API is there")
    void names() throws Exception {
        String readme = Files.readString(Path.of("README.md"));
        String table = readme.substring(readme.indexOf("## API"), readme.indexOf("**Text:**"));
        Map<String, Class<?>> types = Map.of(
                "client", Client.class, "lease", Lease.class, "execution", Execution.class, "Command", Command.class,
                "context", Context.class, "ContextOptions", ContextOptions.class, "Piece", Piece.class, "Shown", Shown.class,
                "ConnectOptions", ConnectOptions.class,
                "ClientOptions", ClientOptions.class);
        Class<?> type = null;
        int found = 0;
        for (String row : table.split("\n")) {
            Matcher words = Pattern.compile("`([^`]+)`").matcher(row);
            while (words.find()) {
                Matcher name = Pattern.compile("(?:.* : )?(?:(\\w+)\\.)?([a-zA-Z]\\w*).*").matcher(words.group(1));
                if (!name.matches()) {
                    continue;
                }
                String owner = name.group(1) == null ? name.group(2) : name.group(1);
                type = types.getOrDefault(owner, type);
                boolean isMember = Character.isLowerCase(name.group(2).charAt(0)) && !words.group(1).startsWith("new ")
                        && !words.group(1).startsWith("unix:") && !types.containsKey(name.group(2));
                if (isMember && type != null) {
                    found++;
                    assertTrue(members(type).contains(name.group(2)), type.getSimpleName() + " has no " + words.group(1));
                }
            }
        }
        assertTrue(found > 50, "only " + found + " names were looked at");
    }

    @Test
    @DisplayName("nothing is run twice by itself, and the next call connects again")
    void once() throws Exception {
        AtomicInteger ran = new AtomicInteger();
        StubServer[] servers = new StubServer[1];
        StubServer.Handler handler = (peer, stream, request) -> {
            if (request.getMethod().equals("Execute")) {
                ran.incrementAndGet();
                servers[0].dropConnections();
            } else {
                peer.answer(stream, HelloResponse.newBuilder().setServer("stub/1").build());
            }
        };
        try (StubServer server = new StubServer(handler); Client client = new Client(server.options())) {
            servers[0] = server;
            BerthException error = assertThrows(BerthException.class, () -> client.run(Command.of("x")));
            assertEquals(Code.UNAVAILABLE, error.code());
            assertEquals("stub/1", client.hello().getServer());
            assertEquals(1, ran.get());
        }
    }

    @Test
    @DisplayName("streams throw IOException with the BerthException as the cause")
    void causes() throws Exception {
        try (StubServer server = new StubServer((peer, stream, request) -> peer.fail(stream, Code.NOT_FOUND, "gone"));
                Client client = new Client(server.options())) {
            Execution execution = client.lease("l").execute(Command.of("x"));
            Exception error = assertThrows(java.io.IOException.class, () -> execution.stdout().read());
            assertNotNull(error.getCause());
            assertEquals(Code.NOT_FOUND, ((BerthException) error.getCause()).code());
        }
    }
}
