package xpstore

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/zeebo/blake3"
)

// vectors reads a file beside the documents; a module that was installed has none.
func vectors(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	if os.IsNotExist(err) {
		t.Skipf("%s is not there: vectors are in the repository", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// notation is a value as docs/fingerprint.md writes it.
type notation struct {
	Type         string
	Value        json.RawMessage
	Bits         json.RawMessage
	Hex          string
	Times        *int
	UTF16        string `json:"utf16_hex"`
	Items        json.RawMessage
	Entries      json.RawMessage
	Microseconds string
	Offset       *string
	Zone         *struct{ Class, Name string }
	Fold         int
	Digest       string
}

// value is the value in Go, and whether there is one.
func (n notation) value(t *testing.T) (any, bool) {
	t.Helper()
	text := func(raw json.RawMessage) (text string) {
		if err := json.Unmarshal(raw, &text); err != nil {
			t.Fatal(err)
		}
		return text
	}
	switch n.Type {
	case "none":
		return nil, true
	case "bool":
		return string(n.Value) == "true", true
	case "int":
		value, is := new(big.Int).SetString(text(n.Value), 10)
		return value, is
	case "float":
		bits, err := strconv.ParseUint(text(n.Bits), 16, 64)
		return math.Float64frombits(bits), err == nil
	case "str":
		if n.UTF16 != "" {
			return nil, false
		}
		return text(n.Value), true
	case "bytes":
		data, err := hex.DecodeString(n.Hex)
		if n.Times != nil {
			data = slices.Repeat(data, *n.Times)
		}
		return data, err == nil
	case "list", "tuple":
		var some []notation
		if err := json.Unmarshal(n.Items, &some); err != nil {
			t.Fatal(err)
		}
		items := make([]any, len(some))
		for i, item := range some {
			var is bool
			if items[i], is = item.value(t); !is {
				return nil, false
			}
		}
		if n.Type == "tuple" {
			return Tuple(items), true
		}
		return items, true
	case "dict":
		var pairs [][2]notation
		if err := json.Unmarshal(n.Entries, &pairs); err != nil {
			t.Fatal(err)
		}
		found := Dict{}
		for _, pair := range pairs {
			key, isKey := pair[0].value(t)
			value, isValue := pair[1].value(t)
			if !isKey || !isValue {
				return nil, false
			}
			found = append(found, Entry{key, value})
		}
		return found, true
	case "datetime":
		if n.Offset == nil || *n.Offset != "0" || n.Zone == nil || n.Zone.Class != "datetime.timezone" || n.Fold != 0 {
			return nil, false
		}
		us, err := strconv.ParseInt(n.Microseconds, 10, 64)
		return time.UnixMicro(us).UTC(), err == nil && n.Zone.Name == "UTC"
	case "timedelta":
		us, err := strconv.ParseInt(n.Microseconds, 10, 64)
		return time.Duration(us) * time.Microsecond, err == nil && us < math.MaxInt64/1_000
	case "artifact":
		digest, err := hex.DecodeString(n.Digest)
		return &Version{Digest: digest}, err == nil
	}
	return nil, false
}

// content is made of a seed, as in protocol-vectors.json.
type content []struct {
	Seed string
	Size int `json:"size_bytes"`
}

func (c content) bytes() []byte {
	found := []byte{}
	for _, part := range c {
		data := make([]byte, part.Size)
		if part.Seed != "zeros" {
			seed := blake3.New()
			_, _ = seed.WriteString(part.Seed)
			_, _ = seed.Digest().Read(data)
		}
		found = append(found, data...)
	}
	return found
}
