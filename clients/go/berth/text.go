// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Text is output in whole characters.
type Text struct {
	Stream Stream
	Text   string
}

// NextText returns the output as text, in the order it came, and io.EOF after the end; use it instead of Next or the
// readers. Pieces of output may end within a character: what is not whole yet, at most 3 bytes of each stream, is held back
// until the rest has come. What is not UTF-8 becomes U+FFFD. A gap is a *Dropped error, after which reading goes on.
func (e *Execution) NextText() (Text, error) {
	for {
		if len(e.texts) > 0 {
			piece := e.texts[0]
			e.texts = e.texts[1:]
			return piece.text, piece.err
		}
		event, err := e.Next()
		if err != nil {
			return Text{}, err
		}
		switch event := event.(type) {
		case Output:
			e.put(event.Stream, e.text[event.Stream].decode(event.Data), nil)
		case *Dropped:
			if event.Stream == Events {
				continue // Nothing of the text is missing.
			}
			// What is behind a gap is not the rest of what was before it.
			e.put(event.Stream, e.text[event.Stream].rest(), nil)
			e.put(event.Stream, "", event)
		case End:
			for stream := range e.text {
				e.put(Stream(stream), e.text[stream].rest(), nil)
			}
			e.put(Stdout, "", io.EOF)
		}
	}
}

type textPiece struct {
	text Text
	err  error
}

func (e *Execution) put(stream Stream, text string, err error) {
	if text != "" || err != nil {
		e.texts = append(e.texts, textPiece{Text{stream, text}, err})
	}
}

// textDecoder holds back the beginning of a character.
type textDecoder struct{ held []byte }

func (d *textDecoder) decode(data []byte) string {
	if len(d.held) > 0 {
		data = append(d.held, data...)
		d.held = nil
	}
	end := len(data)
	for i := end - 1; i >= 0 && i >= end-utf8.UTFMax+1; i-- {
		if utf8.RuneStart(data[i]) {
			if !utf8.FullRune(data[i:]) {
				end = i
			}
			break
		}
	}
	d.held = append(d.held, data[end:]...)
	return valid(data[:end])
}

func (d *textDecoder) rest() string {
	text := valid(d.held)
	d.held = nil
	return text
}

// valid replaces each longest beginning of a character that does not go on as one, and each byte that begins none, by one
// U+FFFD, as other languages do.
func valid(data []byte) string {
	if utf8.Valid(data) {
		return string(data)
	}
	var text strings.Builder
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if r == utf8.RuneError && size == 1 {
			for size < len(data) && !utf8.FullRune(data[:size]) && !utf8.RuneStart(data[size]) && beginsOne(data[:size+1]) {
				size++
			}
		}
		text.WriteRune(r)
		data = data[size:]
	}
	return text.String()
}

// beginsOne says that a character may begin so.
func beginsOne(data []byte) bool { return !utf8.FullRune(data) }
