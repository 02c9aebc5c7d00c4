// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnknownFieldSet;
import dev.berth.ttrpc.Request;
import dev.berth.ttrpc.Response;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.IntUnaryOperator;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("the bytes of proto/vectors/recorded.txt")
class VectorsTest {
    private final Map<String, List<byte[]>> sent = new LinkedHashMap<>();
    private final Map<String, List<byte[]>> received = new LinkedHashMap<>();

    VectorsTest() throws IOException {
        String name = null;
        StringBuilder hex = new StringBuilder();
        List<byte[]> frames = null;
        for (String line : Files.readAllLines(Path.of("../../proto/vectors/recorded.txt"))) {
            String text = line.replaceAll("#.*", "");
            boolean continues = text.startsWith(" ");
            if (!continues && hex.length() > 0) {
                frames.add(HexFormat.of().parseHex(hex));
                hex.setLength(0);
            }
            if (text.startsWith("vector ")) {
                name = text.substring(7).strip();
            } else if (text.startsWith("C>S") || text.startsWith("S>C")) {
                frames = (text.startsWith("C") ? sent : received).computeIfAbsent(name, key -> new ArrayList<>());
                hex.append(text.substring(3).replace(" ", ""));
            } else if (continues) {
                hex.append(text.replace(" ", ""));
            }
        }
        if (hex.length() > 0) {
            frames.add(HexFormat.of().parseHex(hex));
        }
        assertEquals(7, received.size(), "vectors");
    }

    @Test
    @DisplayName("a request is encoded to the very bytes")
    void request() {
        UnknownFieldSet payload = UnknownFieldSet.newBuilder()
                .addField(1, UnknownFieldSet.Field.newBuilder()
                        .addLengthDelimited(ByteString.copyFromUtf8("log")).build())
                .addField(2, UnknownFieldSet.Field.newBuilder().addVarint(4).build())
                .addField(3, UnknownFieldSet.Field.newBuilder().addVarint(2).build())
                .build();
        byte[] frame = Frame.request(5, Frame.REMOTE_CLOSED, "demo.v1.Exec", "Execute", payload, 0, null);
        assertArrayEquals(sent.get("server stream of two events").get(0), frame);
    }

    @Test
    @DisplayName("a request with a time-out and metadata is understood")
    void timeoutAndMetadata() throws IOException {
        byte[] frame = sent.get("unary call with time-out and metadata").get(0);
        Request request = Request.parseFrom(java.util.Arrays.copyOfRange(frame, Frame.HEADER, frame.length));
        assertEquals("Acquire", request.getMethod());
        assertEquals(4999928574L, request.getTimeoutNano());
        assertEquals("Bearer t", request.getMetadata(0).getValue());
    }

    @Test
    @DisplayName("what a server sends is the same frames whole, byte by byte and in random pieces")
    void frames() throws IOException {
        long seed = System.nanoTime();
        System.out.println("VectorsTest: seed " + seed);
        Random random = new Random(seed);
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        List<byte[]> expected = new ArrayList<>();
        for (List<byte[]> frames : received.values()) {
            for (byte[] frame : frames) {
                all.write(frame);
                expected.add(frame);
            }
        }
        check(expected, all.toByteArray(), most -> most);
        check(expected, all.toByteArray(), most -> 1);
        for (int i = 0; i < 100; i++) {
            check(expected, all.toByteArray(), most -> 1 + random.nextInt(Math.min(most, 20)));
        }
    }

    private static void check(List<byte[]> expected, byte[] bytes, IntUnaryOperator pieces) throws IOException {
        Frame.Reader reader = new Frame.Reader(new Pieces(bytes, pieces));
        for (byte[] frame : expected) {
            Frame got = reader.next();
            ByteArrayOutputStream again = new ByteArrayOutputStream();
            new java.io.DataOutputStream(again).writeInt(got.data().length);
            new java.io.DataOutputStream(again).writeInt(got.stream());
            again.write(got.type());
            again.write(got.flags());
            again.write(got.data());
            assertArrayEquals(frame, again.toByteArray());
        }
        assertNull(reader.next());
    }

    @Test
    @DisplayName("answers have their payload, their error, or neither")
    void responses() throws IOException {
        assertEquals("lease-1", response("unary call with time-out and metadata").getPayload().toStringUtf8()
                .substring(2));
        Response failed = response("handler error");
        assertEquals(2, failed.getStatus().getCode());
        assertEquals("boom", failed.getStatus().getMessage());
        assertEquals(12, response("bad method").getStatus().getCode());
        assertEquals(0, response("empty unary answer").getStatus().getCode());
    }

    private Response response(String vector) throws IOException {
        byte[] frame = received.get(vector).get(0);
        return Response.parseFrom(java.util.Arrays.copyOfRange(frame, Frame.HEADER, frame.length));
    }

    @Test
    @DisplayName("a frame over 4 MiB is passed over, and the next is read; an end in the middle of one is told")
    void oversized() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.write(HexFormat.of().parseHex("00400001000000010200"));
        bytes.write(new byte[Frame.MAX_DATA + 1]);
        bytes.write(HexFormat.of().parseHex("00000000000000030200"));
        bytes.write(HexFormat.of().parseHex("0000000500000003"));
        Frame.Reader reader = new Frame.Reader(new Pieces(bytes.toByteArray(), most -> most));
        assertNull(reader.next().data());
        assertEquals(3, reader.next().stream());
        assertThrows(EOFException.class, reader::next);
    }

    @Test
    @DisplayName("a request over 4 MiB is refused before anything is sent")
    void tooLarge() {
        var request = dev.berth.v1.ExecuteRequest.newBuilder().setStdin(ByteString.copyFrom(new byte[4 << 20])).build();
        BerthException error = assertThrows(
                BerthException.class, () -> Frame.request(1, Frame.UNARY, "s", "Execute", request, 0, null));
        assertEquals(BerthException.Code.RESOURCE_EXHAUSTED, error.code());
        assertTrue(error.getMessage().contains("4194304"), error.getMessage());
    }

    /** Gives bytes in pieces of the sizes that a test wants. */
    private static final class Pieces implements Transport {
        private final ByteArrayInputStream in;
        private final IntUnaryOperator sizes;

        Pieces(byte[] bytes, IntUnaryOperator sizes) {
            in = new ByteArrayInputStream(bytes);
            this.sizes = sizes;
        }

        @Override
        public int read(byte[] into) {
            int most = Math.min(into.length, in.available());
            return most == 0 ? -1 : in.read(into, 0, sizes.applyAsInt(most));
        }

        @Override
        public void write(byte[] bytes) {}

        @Override
        public void close() {}
    }
}
