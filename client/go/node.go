package xpstore

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Node is a value as it stands in value.json of docs/artifact-types.md: of what has no type here, such as an array of numpy,
// and of any value that is read as one. It may be stored again where it names no files.
type Node json.RawMessage

// MarshalJSON returns the node.
func (n Node) MarshalJSON() ([]byte, error) { return json.RawMessage(n).MarshalJSON() }

// Path is a file or folder beside value.json, by its path in the version.
type Path string

const (
	valueFile = "value.json"
	// Beyond this, bytes are a file of their own.
	inlineBytes = 4 << 10
	day         = 24 * time.Hour
)

// nodeWriter writes plain values as nodes, and what is large as files beside.
type nodeWriter struct {
	files []source
	used  []string // ids of versions in it
}

// writeValue is a value as the files of a result, and the ids of the versions in it.
func writeValue(value any) ([]source, []string, error) {
	known, err := plain(value, "value")
	if err != nil {
		return nil, nil, err
	}
	var text bytes.Buffer
	writer := nodeWriter{}
	text.WriteString(`{"xpstore_value":1,"value":`)
	if err := writer.write(&text, known); err != nil {
		return nil, nil, err
	}
	text.WriteString("}")
	files := append(writer.files, source{path: valueFile, data: text.Bytes()})
	sortSources(files)
	return files, writer.used, nil
}

func (w *nodeWriter) write(to *bytes.Buffer, value any) error {
	switch value := value.(type) {
	case nil:
		to.WriteString("null")
	case bool:
		to.WriteString(strconv.FormatBool(value))
	case *big.Int:
		to.WriteString(value.String())
	case float64:
		to.WriteString(floatText(value))
	case string:
		return writeJSON(to, value)
	case []byte:
		return w.bytes(to, value)
	case []any:
		return w.list(to, value)
	case Tuple:
		return tagged(to, "$tuple", func() error { return w.list(to, value) })
	case Dict:
		return w.dict(to, value)
	case time.Time:
		layout := "2006-01-02T15:04:05-07:00"
		if value.Nanosecond() != 0 {
			layout = "2006-01-02T15:04:05.000000-07:00"
		}
		fmt.Fprintf(to, `{"$datetime":["%s",null,0]}`, value.Format(layout))
	case time.Duration:
		days := value / day
		if value%day < 0 {
			days--
		}
		rest := value - days*day
		fmt.Fprintf(to, `{"$timedelta":[%d,%d,%d]}`, days, rest/time.Second, rest%time.Second/time.Microsecond)
	case *Version:
		w.used = append(w.used, value.ID)
		return tagged(to, "$artifact", func() error { return writeJSON(to, value.ID) })
	case Node:
		if err := checkInline(json.RawMessage(value)); err != nil {
			return err
		}
		return json.Compact(to, value)
	default:
		return invalid("value", value, "cannot be stored")
	}
	return nil
}

// Tags whose nodes say all, without files beside or other versions.
var inline = map[string]bool{
	"$tuple": true, "$set": true, "$frozenset": true, "$dict": true, "$ordered_dict": true, "$counter": true,
	"$defaultdict": true, "$deque": true, "$namespace": true, "$float": true, "$complex": true, "$text": true,
	"$bytes": true, "$bytearray": true, "$decimal": true, "$fraction": true, "$uuid": true, "$range": true, "$slice": true,
	"$pattern": true, "$ellipsis": true, "$date": true, "$datetime": true, "$time": true, "$timedelta": true,
	"$zone": true, "$timezone": true, "$numpy": true,
}

// checkInline refuses a node that names files, which are not beside it where it is stored.
func checkInline(text json.RawMessage) error {
	if !json.Valid(text) {
		return invalid("value", string(text), "is no JSON")
	}
	switch bytes.TrimSpace(text)[0] {
	case '[':
		var items []json.RawMessage
		if err := json.Unmarshal(text, &items); err != nil {
			return err
		}
		for _, item := range items {
			if err := checkInline(item); err != nil {
				return err
			}
		}
	case '{':
		keys, values, err := members(text)
		if err != nil {
			return err
		}
		if len(keys) == 1 && strings.HasPrefix(keys[0], "$") && !inline[keys[0]] {
			return invalid("value", keys[0], "is a node with files or versions beside it: give what it stands for")
		}
		for _, value := range values {
			if err := checkInline(value); err != nil {
				return err
			}
		}
	}
	return nil
}

func floatText(value float64) string {
	switch {
	case math.IsNaN(value):
		return `{"$float":"nan"}`
	case math.IsInf(value, 1):
		return `{"$float":"inf"}`
	case math.IsInf(value, -1):
		return `{"$float":"-inf"}`
	}
	text := strconv.FormatFloat(value, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0" // without a point it were an int
	}
	return text
}

func writeJSON(to *bytes.Buffer, value string) error {
	text, err := json.Marshal(value)
	to.Write(text)
	return err
}

func tagged(to *bytes.Buffer, tag string, body func() error) error {
	fmt.Fprintf(to, `{"%s":`, tag)
	err := body()
	to.WriteString("}")
	return err
}

func (w *nodeWriter) bytes(to *bytes.Buffer, data []byte) error {
	if len(data) <= inlineBytes {
		fmt.Fprintf(to, `{"$bytes":"%s"}`, base64.StdEncoding.EncodeToString(data))
		return nil
	}
	name := fmt.Sprintf("%d.bin", len(w.files))
	w.files = append(w.files, source{path: name, data: data})
	fmt.Fprintf(to, `{"$large_bytes":"%s"}`, name)
	return nil
}

func (w *nodeWriter) list(to *bytes.Buffer, items []any) error {
	to.WriteString("[")
	for i, item := range items {
		if i > 0 {
			to.WriteString(",")
		}
		if err := w.write(to, item); err != nil {
			return err
		}
	}
	to.WriteString("]")
	return nil
}

func (w *nodeWriter) dict(to *bytes.Buffer, entries Dict) error {
	for _, entry := range entries {
		if key, isText := entry.Key.(string); !isText || strings.HasPrefix(key, "$") {
			return w.pairs(to, entries)
		}
	}
	to.WriteString("{")
	for i, entry := range entries {
		if i > 0 {
			to.WriteString(",")
		}
		if err := w.write(to, entry.Key); err != nil {
			return err
		}
		to.WriteString(":")
		if err := w.write(to, entry.Value); err != nil {
			return err
		}
	}
	to.WriteString("}")
	return nil
}

func (w *nodeWriter) pairs(to *bytes.Buffer, entries Dict) error {
	pairs := make([]any, len(entries))
	for i, entry := range entries {
		pairs[i] = []any{entry.Key, entry.Value}
	}
	return tagged(to, "$dict", func() error { return w.list(to, pairs) })
}
