package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/google/uuid"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

// changeMACSize is the size of the code that authenticates a cursor, in bytes.
const changeMACSize = 16

// cursorPosition is the position in a cursor of the changes of a workspace. A cursor is
// this position and its authentication code, in base64url. It is not encrypted with the
// keyset as cursors of lists are: a client keeps it for longer than a page, and it must
// outlive a rotation of keys.
type cursorPosition struct {
	Number int64
	ID     uuid.UUID
}

// changeCursor returns the cursor of a position.
func (a *API) changeCursor(workspace string, at registry.ChangePosition) string {
	id, _ := uuid.Parse(at.ID) // none before the first change
	position, _ := binary.Append(nil, binary.BigEndian, cursorPosition{at.Number, id})
	return base64.RawURLEncoding.EncodeToString(append(position, a.changeMAC(workspace, position)...))
}

// changePosition returns the position of a cursor, and false if the cursor was not made
// here, or for another workspace.
func (a *API) changePosition(workspace, cursor string) (registry.ChangePosition, bool) {
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	var at cursorPosition
	size := binary.Size(at)
	if err != nil || len(decoded) != size+changeMACSize || strings.ContainsAny(cursor, "\r\n") { // which the decoder ignores
		return registry.ChangePosition{}, false
	}
	if !hmac.Equal(decoded[size:], a.changeMAC(workspace, decoded[:size])) {
		return registry.ChangePosition{}, false
	}
	_, _ = binary.Decode(decoded, binary.BigEndian, &at)
	if at.ID == uuid.Nil {
		return registry.ChangePosition{Number: at.Number}, true
	}
	return registry.ChangePosition{Number: at.Number, ID: at.ID.String()}, true
}

func (a *API) changeMAC(workspace string, position []byte) []byte {
	mac := hmac.New(sha256.New, a.ChangeKey)
	mac.Write(position) // of a fixed size
	mac.Write([]byte(workspace))
	return mac.Sum(nil)[:changeMACSize]
}

// readChangeCursor reads a cursor of the changes of a workspace; nil for none. field is the
// parameter or header that it was sent in.
func (a *API) readChangeCursor(q *query, field, cursor string) *registry.ChangePosition {
	if cursor == "" {
		q.presentButEmpty(field)
		return nil
	}
	at, ok := a.changePosition(principal(q.c).Workspace, cursor)
	if !ok {
		q.faults.Add(field, fault.Invalid, "is not a cursor of the changes of this workspace; send the cursor of a change, or next_cursor, unchanged")
	}
	return &at
}
