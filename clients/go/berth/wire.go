// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"time"

	pb "berth.dev/go/berth/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// ttrpc's frames and envelope. The envelope is written by hand: its generated messages would be registered under the
// names that containerd's ttrpc uses too, and a program with both would not start.

const (
	headerLength = 10
	maxData      = 4 << 20

	kindRequest  = 1
	kindResponse = 2
	kindData     = 3

	flagRemoteClosed = 0x01
	flagNoData       = 0x04
)

type header struct {
	length uint32
	stream uint32
	kind   byte
	flags  byte
}

func (h header) put(b []byte) {
	binary.BigEndian.PutUint32(b, h.length)
	binary.BigEndian.PutUint32(b[4:], h.stream)
	b[8], b[9] = h.kind, h.flags
}

// appendRequest appends the frame of a call, header and data in one piece.
func appendRequest(
	b []byte, stream uint32, flags byte, service, method string, message proto.Message, timeout time.Duration,
	metadata map[string]string,
) ([]byte, error) {
	start := len(b)
	b = append(b, make([]byte, headerLength)...)
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendString(b, service)
	b = protowire.AppendTag(b, 2, protowire.BytesType)
	b = protowire.AppendString(b, method)
	options := proto.MarshalOptions{UseCachedSize: true}
	if size := proto.Size(message); size > 0 {
		var err error
		b = protowire.AppendTag(b, 3, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(size))
		if b, err = options.MarshalAppend(b, message); err != nil {
			return nil, newError(InvalidArgument, "the request cannot be encoded: %v", err)
		}
	}
	if timeout > 0 {
		b = protowire.AppendTag(b, 4, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(timeout))
	}
	for key, value := range metadata {
		b = protowire.AppendTag(b, 5, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(2+protowire.SizeBytes(len(key))+protowire.SizeBytes(len(value))))
		b = protowire.AppendTag(b, 1, protowire.BytesType)
		b = protowire.AppendString(b, key)
		b = protowire.AppendTag(b, 2, protowire.BytesType)
		b = protowire.AppendString(b, value)
	}
	length := len(b) - start - headerLength
	if length > maxData {
		return nil, newError(ResourceExhausted, "the request has %d bytes; a message has %d at most", length, maxData)
	}
	header{uint32(length), stream, kindRequest, flags}.put(b[start:])
	return b, nil
}

var (
	errMalformed = errors.New("a malformed envelope")
	errSpeaksTLS = errors.New("it speaks TLS: put tls:// before its address")
)

// parseResponse takes an answer apart. The payload points into data.
func parseResponse(data []byte) (payload []byte, status *Error, err error) {
	err = eachField(data, func(number protowire.Number, _ uint64, value []byte) error {
		switch number {
		case 1:
			var code uint64
			var message string
			var reason Reason
			var metadata map[string]string
			err := eachField(value, func(number protowire.Number, varint uint64, value []byte) error {
				switch number {
				case 1:
					code = varint
				case 2:
					message = string(value)
				case 3:
					if r, m := parseDetail(value); m != nil {
						reason, metadata = r, m
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			status = nil
			if code != 0 {
				status = &Error{Code: Code(int32(code)), Message: message, Reason: reason, Metadata: metadata}
			}
		case 2:
			payload = value
		}
		return nil
	})
	return payload, status, err
}

// parseDetail returns the reason and the metadata of a google.protobuf.Any that holds a google.rpc.ErrorInfo of Berth's;
// nil if it holds anything else. The code and the message say enough where it cannot be read.
func parseDetail(data []byte) (reason Reason, metadata map[string]string) {
	var kind, name, domain string
	var info []byte
	texts := func(first, second *string) func(protowire.Number, uint64, []byte) error {
		return func(number protowire.Number, _ uint64, value []byte) error {
			switch number {
			case 1:
				*first = string(value)
			case 2:
				*second = string(value)
			case 3:
				var key, text string
				if err := eachField(value, func(number protowire.Number, _ uint64, value []byte) error {
					switch number {
					case 1:
						key = string(value)
					case 2:
						text = string(value)
					}
					return nil
				}); err != nil {
					return err
				}
				metadata[key] = text
			}
			return nil
		}
	}
	err := eachField(data, func(number protowire.Number, _ uint64, value []byte) error {
		switch number {
		case 1:
			kind = string(value)
		case 2:
			info = value
		}
		return nil
	})
	if err != nil || kind[strings.LastIndexByte(kind, '/')+1:] != "google.rpc.ErrorInfo" {
		return 0, nil
	}
	metadata = map[string]string{}
	if err := eachField(info, texts(&name, &domain)); err != nil || domain != "berth.dev" {
		return 0, nil
	}
	return Reason(pb.ErrorReason_value[name]), metadata
}

// eachField visits the varint and length-delimited fields of a message; others, all unknown to us, are passed over.
func eachField(data []byte, visit func(number protowire.Number, varint uint64, value []byte) error) error {
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return errMalformed
		}
		data = data[n:]
		var varint uint64
		var value []byte
		switch kind {
		case protowire.VarintType:
			varint, n = protowire.ConsumeVarint(data)
		case protowire.BytesType:
			value, n = protowire.ConsumeBytes(data)
		default:
			n = protowire.ConsumeFieldValue(number, kind, data)
		}
		if n < 0 {
			return errMalformed
		}
		data = data[n:]
		if kind == protowire.VarintType || kind == protowire.BytesType {
			if err := visit(number, varint, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// frameReader reads frames; what next returned is valid until the next call of it.
type frameReader struct {
	reader *bufio.Reader
	head   [headerLength]byte
	buffer []byte
}

func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{reader: bufio.NewReaderSize(r, 64<<10)}
}

// next returns a frame. One that is too long is skipped, and its data is nil while its length says how long it was.
func (r *frameReader) next() (header, []byte, error) {
	if n, err := io.ReadFull(r.reader, r.head[:]); err != nil {
		// No frame begins so, for its length would be too much: it is an alert, the last that a server of TLS says.
		if n >= 2 && r.head[0] == 0x15 && r.head[1] == 0x03 {
			err = errSpeaksTLS
		}
		return header{}, nil, err
	}
	h := header{
		length: binary.BigEndian.Uint32(r.head[:]), stream: binary.BigEndian.Uint32(r.head[4:]),
		kind: r.head[8], flags: r.head[9],
	}
	if h.length > maxData {
		_, err := io.CopyN(io.Discard, r.reader, int64(h.length))
		return h, nil, err
	}
	// What is in the reader's buffer already is used there.
	if int(h.length) <= r.reader.Size() {
		data, err := r.reader.Peek(int(h.length))
		if err != nil {
			return h, nil, err
		}
		_, err = r.reader.Discard(int(h.length))
		return h, data, err
	}
	if cap(r.buffer) < int(h.length) {
		r.buffer = make([]byte, h.length)
	}
	data := r.buffer[:h.length]
	_, err := io.ReadFull(r.reader, data)
	return h, data, err
}
