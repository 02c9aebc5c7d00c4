// SPDX-License-Identifier: Apache-2.0

package berth

import (
	pb "berth.dev/go/berth/v1"
)

// Display is something that a piece of code shows, in one or more forms.
type Display struct {
	// Data is the same thing in each form, by its MIME type. Text is UTF-8.
	Data map[string][]byte
	// ID is a name that a later display may refer to; empty: none.
	ID string
	// Update: it takes the place of those with this ID.
	Update bool
	// Result: it is the value of the piece's last expression.
	Result bool
	// LeftOut is the size in bytes of each form that was too large.
	LeftOut map[string]uint64
}

// Text is its plain text; empty where it has none.
func (d Display) Text() string { return valid(d.Data["text/plain"]) }

// Failure is how a piece of code failed.
type Failure struct {
	// Name is the error's: "ValueError".
	Name    string
	Message string
	// Traceback is lines for people, the innermost call last.
	Traceback []string
}

// Error says it in words: "ValueError: what was wrong".
func (f *Failure) Error() string {
	if f.Message == "" {
		return f.Name
	}
	return f.Name + ": " + f.Message
}

// Prompt tells that a piece of code waits for a line of its standard input: answer with Execution.Write, the line feed
// included.
type Prompt struct {
	Text string
	// Password: what is typed is not to be shown.
	Password bool
}

func (Display) event()  {}
func (*Failure) event() {}
func (Prompt) event()   {}

func newDisplay(display *pb.Display) Display {
	made := Display{Data: forms(display.Data), ID: display.Id, Update: display.Update, Result: display.Result}
	if len(display.LeftOut) > 0 {
		made.LeftOut = map[string]uint64{}
		for _, form := range display.LeftOut {
			made.LeftOut[form.Mime] = form.Bytes
		}
	}
	return made
}

func forms(data []*pb.MimeData) map[string][]byte {
	found := make(map[string][]byte, len(data))
	for _, form := range data {
		found[form.Mime] = form.Data
	}
	return found
}

func newFailure(failure *pb.Failure) *Failure {
	return &Failure{Name: failure.Name, Message: failure.Message, Traceback: failure.Traceback}
}

func newPrompt(prompt *pb.Prompt) Prompt { return Prompt{Text: prompt.Text, Password: prompt.Password} }
