// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import dev.berth.v1.Dropped;
import dev.berth.v1.ExecuteEvent;
import dev.berth.v1.OutputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.NoSuchElementException;

/**
 * Text of pieces that may end within a character: what is not whole yet, at most 3 bytes of each stream, is held back until
 * the rest has come. What is not UTF-8 becomes U+FFFD.
 */
final class TextDecoder implements Iterator<Text> {
    private final Execution execution;
    private final CharsetDecoder[] decoders = {decoder(), decoder()};
    private final ByteBuffer[] held = {ByteBuffer.allocate(0), ByteBuffer.allocate(0)};
    private final ArrayDeque<Text> ready = new ArrayDeque<>();
    private boolean ended;

    TextDecoder(Execution execution) {
        this.execution = execution;
    }

    private static CharsetDecoder decoder() {
        return StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPLACE)
                .onUnmappableCharacter(CodingErrorAction.REPLACE);
    }

    @Override
    public boolean hasNext() {
        while (ready.isEmpty() && !ended) {
            ExecuteEvent event = execution.next();
            if (event == null) {
                ended = true;
                add(OutputStream.STDOUT, decode(0, ByteBuffer.allocate(0), true), 0);
                add(OutputStream.STDERR, decode(1, ByteBuffer.allocate(0), true), 0);
            } else if (event.hasOutput()) {
                int stream = event.getOutput().getStreamValue() & 1;
                ByteBuffer data = event.getOutput().getData().asReadOnlyByteBuffer();
                add(event.getOutput().getStream(), decode(stream, data, false), 0);
            } else if (event.hasDropped() && event.getDropped().getStreamValue() != OutputStream.EVENTS_VALUE) {
                // What is behind a gap is not the rest of a character before it.
                Dropped dropped = event.getDropped();
                String before = decode(dropped.getStreamValue() & 1, ByteBuffer.allocate(0), true);
                add(dropped.getStream(), before, dropped.getBytes());
            }
        }
        return !ready.isEmpty();
    }

    @Override
    public Text next() {
        if (!hasNext()) {
            throw new NoSuchElementException();
        }
        return ready.poll();
    }

    private void add(OutputStream stream, String text, long dropped) {
        if (!text.isEmpty() || dropped > 0) {
            ready.add(new Text(stream, text, dropped));
        }
    }

    private String decode(int stream, ByteBuffer data, boolean isEnd) {
        ByteBuffer all = ByteBuffer.allocate(held[stream].remaining() + data.remaining());
        all.put(held[stream]).put(data).flip();
        CharBuffer text = CharBuffer.allocate(all.remaining() + 2);
        CharsetDecoder decoder = decoders[stream];
        decoder.decode(all, text, isEnd);
        if (isEnd) {
            decoder.flush(text);
            decoder.reset();
        }
        held[stream] = all.slice();
        return text.flip().toString();
    }
}
