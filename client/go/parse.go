package xpstore

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// valueNode is the node in the bytes of value.json.
func valueNode(data []byte) (Node, error) {
	var whole struct {
		Format json.Number     `json:"xpstore_value"`
		Value  json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(data, &whole); err != nil {
		return nil, fault(DataLoss, "value.json is no JSON: %v", err)
	}
	if whole.Format != "1" || whole.Value == nil {
		return nil, fault(InvalidArgument, "the result was written by a newer version of xpstore: take a newer client")
	}
	return Node(whole.Value), nil
}

// parse reads a node as a plain value; files are read from beside it. Without files nothing has a tag: it is JSON.
func parse(text []byte, files func(path string) ([]byte, error)) (any, error) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return nil, fmt.Errorf("it is empty")
	}
	switch text[0] {
	case '[':
		return parseList(text, files)
	case '{':
		keys, values, err := members(text)
		if err != nil {
			return nil, err
		}
		if files != nil && len(keys) == 1 && strings.HasPrefix(keys[0], "$") {
			return parseTagged(text, keys[0], values[0], files)
		}
		found := make(Dict, len(keys))
		for i, key := range keys {
			value, err := parse(values[i], files)
			if err != nil {
				return nil, err
			}
			found[i] = Entry{key, value}
		}
		return found, nil
	case '"', 't', 'f', 'n':
		var value any
		err := json.Unmarshal(text, &value)
		return value, err
	}
	if !json.Valid(text) {
		return nil, fmt.Errorf("it is no JSON")
	}
	return number(string(text), "value")
}

func parseList(text []byte, files func(string) ([]byte, error)) ([]any, error) {
	var some []json.RawMessage
	if err := json.Unmarshal(text, &some); err != nil {
		return nil, err
	}
	items := make([]any, len(some))
	for i, one := range some {
		var err error
		if items[i], err = parse(one, files); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// members are the keys and values of an object, in their order; of a key that is there twice the last one counts.
func members(text []byte) (keys []string, values []json.RawMessage, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if _, err = decoder.Token(); err != nil {
		return nil, nil, err
	}
	place := map[string]int{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, nil, err
		}
		key, isText := token.(string)
		if !isText {
			return nil, nil, fmt.Errorf("a key is no text")
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, nil, err
		}
		if i, is := place[key]; is {
			values[i] = value
			continue
		}
		place[key] = len(keys)
		keys, values = append(keys, key), append(values, value)
	}
	if _, err = decoder.Token(); err != nil {
		return nil, nil, err
	}
	return keys, values, nil
}

// parseTagged reads what has a type here, and hands any other node on.
func parseTagged(text []byte, tag string, body json.RawMessage, files func(string) ([]byte, error)) (any, error) {
	word := func() (word string, err error) {
		err = json.Unmarshal(body, &word)
		return word, err
	}
	switch tag {
	case "$tuple":
		items, err := parseList(body, files)
		return Tuple(items), err
	case "$dict":
		return parsePairs(body, files)
	case "$float":
		text, err := word()
		if err != nil {
			return nil, err
		}
		return strconv.ParseFloat(text, 64)
	case "$bytes":
		text, err := word()
		if err != nil {
			return nil, err
		}
		return base64.StdEncoding.DecodeString(text)
	case "$large_bytes":
		name, err := word()
		if err != nil {
			return nil, err
		}
		return files(name)
	case "$path":
		path, err := word()
		return Path(path), err
	case "$timedelta":
		var parts [3]int64
		if json.Unmarshal(body, &parts) == nil && parts[0] > -100_000 && parts[0] < 100_000 { // what a Duration holds
			seconds := time.Duration(parts[0])*day + time.Duration(parts[1])*time.Second
			return seconds + time.Duration(parts[2])*time.Microsecond, nil
		}
	case "$datetime":
		if when, is := parseTime(body); is {
			return when, nil
		}
	}
	return Node(text), nil
}

func parsePairs(body json.RawMessage, files func(string) ([]byte, error)) (any, error) {
	pairs, err := parseList(body, files)
	if err != nil {
		return nil, err
	}
	found := make(Dict, len(pairs))
	for i, one := range pairs {
		pair, is := one.([]any)
		if !is || len(pair) != 2 {
			return nil, fmt.Errorf("a $dict has an entry that is no pair")
		}
		found[i] = Entry{pair[0], pair[1]}
	}
	return found, nil
}

// parseTime reads a time that says its offset and no zone: others are no point in time, or more than that.
func parseTime(body json.RawMessage) (time.Time, bool) {
	var parts []any
	if json.Unmarshal(body, &parts) != nil || len(parts) != 3 || parts[1] != nil {
		return time.Time{}, false
	}
	text, _ := parts[0].(string)
	when, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, false
	}
	if _, offset := when.Zone(); offset == 0 {
		when = when.UTC()
	}
	return when, true
}
