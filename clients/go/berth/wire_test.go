// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"bytes"
	"encoding/hex"
	"math/rand"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// vector is one of proto/vectors: the frames of an exchange.
type vector struct{ client, server [][]byte }

func vectors(t *testing.T) map[string]*vector {
	text, err := os.ReadFile("../../../proto/vectors/recorded.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*vector{}
	var current *vector
	var frame *[]byte
	for _, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#")
		rest := line
		switch {
		case strings.TrimSpace(line) == "":
			continue
		case strings.HasPrefix(line, "vector "):
			current = &vector{}
			all[strings.TrimSpace(line[len("vector "):])] = current
			continue
		case strings.HasPrefix(line, "C>S"):
			current.client = append(current.client, nil)
			frame, rest = &current.client[len(current.client)-1], line[3:]
		case strings.HasPrefix(line, "S>C"):
			current.server = append(current.server, nil)
			frame, rest = &current.server[len(current.server)-1], line[3:]
		}
		data, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(rest), " ", ""))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		*frame = append(*frame, data...)
	}
	return all
}

// raw is a message whose bytes are given: an empty message with unknown fields.
func raw(t *testing.T, data []byte) proto.Message {
	message := &emptypb.Empty{}
	if err := proto.Unmarshal(data, message); err != nil {
		t.Fatal(err)
	}
	return message
}

func TestRequestsAreTheRecordedBytes(t *testing.T) {
	all := vectors(t)
	payload, _ := hex.DecodeString("0a0764656661756c7410e807")
	frame, err := appendRequest(nil, 1, 0, "demo.v1.Exec", "Acquire", raw(t, payload), 4_999_928_574,
		map[string]string{"authorization": "Bearer t"})
	if err != nil {
		t.Fatal(err)
	}
	want := all["unary call with time-out and metadata"].client[0]
	if !bytes.Equal(frame, want) {
		t.Errorf("got  %x\nwant %x", frame, want)
	}
	payload, _ = hex.DecodeString("0a036c6f6710041802")
	frame, err = appendRequest(nil, 5, flagRemoteClosed, "demo.v1.Exec", "Execute", raw(t, payload), 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := all["server stream of two events"].client[0]; !bytes.Equal(frame, want) {
		t.Errorf("got  %x\nwant %x", frame, want)
	}
}

// collecting is a receiver that keeps all.
type collecting struct {
	messages [][]byte
	payload  []byte
	err      *Error
	ended    int
}

func (c *collecting) data(data []byte) { c.messages = append(c.messages, append([]byte(nil), data...)) }
func (c *collecting) end(payload []byte, err *Error) {
	c.payload, c.err = append([]byte(nil), payload...), err
	c.ended++
}

func TestAnswersInPiecesAreTheRecordedOnes(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewSource(seed))
	for name, vector := range vectors(t) {
		for _, way := range []string{"whole", "bytes", "halves"} {
			stream := bytes.Join(vector.server, nil)
			if len(stream) == 0 {
				continue
			}
			var frames *frameReader
			switch way {
			case "whole":
				frames = newFrameReader(bytes.NewReader(stream))
			case "bytes":
				frames = newFrameReader(iotest.OneByteReader(bytes.NewReader(stream)))
			default:
				frames = newFrameReader(randomReader{bytes.NewReader(stream), random})
			}
			c := &conn{calls: map[uint32]receiver{}}
			got := &collecting{}
			for range vector.server {
				h, data, err := frames.next()
				if err != nil {
					t.Fatalf("%s, %s: %v", name, way, err)
				}
				if got.ended == 0 {
					c.calls[h.stream] = got
				}
				c.deliver(h, data)
			}
			if got.ended != 1 {
				t.Errorf("%s, %s: ended %d times", name, way, got.ended)
			}
			check(t, name, got)
		}
	}
}

type randomReader struct {
	reader *bytes.Reader
	random *rand.Rand
}

func (r randomReader) Read(p []byte) (int, error) {
	return r.reader.Read(p[:1+r.random.Intn(len(p))%7])
}

func check(t *testing.T, name string, got *collecting) {
	t.Helper()
	expect := func(what, got, want string) {
		if got != want {
			t.Errorf("%s: %s is %q, want %q", name, what, got, want)
		}
	}
	text := ""
	if got.err != nil {
		text = got.err.Error()
	}
	switch name {
	case "unary call with time-out and metadata":
		expect("payload", string(got.payload), "\x0a\x07lease-1")
	case "server stream of two events":
		expect("messages", hex.EncodeToString(bytes.Join(got.messages, []byte("|"))), "0a04000000007c0a04000000001801")
	case "handler error":
		expect("error", text, "UNKNOWN: boom")
		return
	case "bad method":
		expect("error", text, "UNIMPLEMENTED: method Nope")
		return
	case "messages of a client stream":
		expect("payload", hex.EncodeToString(got.payload), "08021002")
	}
	expect("error", text, "")
}

func TestAFrameOverTheLimitIsSkipped(t *testing.T) {
	var stream bytes.Buffer
	head := make([]byte, headerLength)
	header{maxData + 1, 3, kindResponse, 0}.put(head)
	stream.Write(head)
	stream.Write(make([]byte, maxData+1))
	header{0, 1, kindResponse, 0}.put(head)
	stream.Write(head)
	frames := newFrameReader(&stream)
	c, long, short := &conn{calls: map[uint32]receiver{}}, &collecting{}, &collecting{}
	c.calls[3], c.calls[1] = long, short
	for i := 0; i < 2; i++ {
		h, data, err := frames.next()
		if err != nil {
			t.Fatal(err)
		}
		c.deliver(h, data)
	}
	if long.err == nil || long.err.Code != ResourceExhausted {
		t.Errorf("the long one: %v", long.err)
	}
	if short.ended != 1 || short.err != nil {
		t.Errorf("the one after it: %v", short.err)
	}
	if cap(frames.buffer) > 0 {
		t.Errorf("%d bytes were buffered", cap(frames.buffer))
	}
}
