package xpstore

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Tuple is a tuple of Python, which is not a list.
type Tuple []any

// Dict is a dictionary in its order, with keys of any kind. To Python two dictionaries in different orders are two values;
// a map of Go is one in the order of its keys.
type Dict []Entry

// Entry is a key of a Dict with its value.
type Entry struct{ Key, Value any }

// Deeper than any value that is meant; one that contains itself has no end.
const deepest = 1_000

// plain is a value in the few types that have a fingerprint and can be stored: nil, bool, *big.Int, float64, string, []byte,
// Tuple, []any, Dict, time.Time, time.Duration, *Version and Node, with nothing else in them.
//
// What could be taken for something else is refused.
func plain(value any, name string) (any, error) { return plainAt(reflect.ValueOf(value), name, 0) }

func plainAt(value reflect.Value, name string, depth int) (any, error) {
	refuse := func(why string) (any, error) {
		return nil, &Error{
			Reason: InvalidArgument, Message: fmt.Sprintf("%s is a %s: %s", name, value.Type(), why),
			Metadata: map[string]string{"field": name}, isOurs: true,
		}
	}
	if !value.IsValid() {
		return nil, nil
	}
	if depth > deepest {
		return refuse("it contains itself, or is nested too deep")
	}
	switch known := value.Interface().(type) {
	case *big.Int:
		if known == nil {
			return nil, nil
		}
		return known, nil
	case big.Int:
		return &known, nil
	case json.Number:
		return number(string(known), name)
	case json.RawMessage:
		parsed, err := parse(known, nil)
		if err != nil {
			return nil, invalid(name, string(known), err.Error())
		}
		return plainAt(reflect.ValueOf(parsed), name, depth+1)
	case Node:
		return known, nil
	case Path:
		return refuse("a path beside one result is none beside another: give the bytes")
	case *Version:
		if known == nil {
			return nil, nil
		}
		return known, nil
	case time.Duration:
		if known%time.Microsecond != 0 {
			return refuse("it has nanoseconds, which are not kept: round it to microseconds")
		}
		return known, nil
	case time.Time:
		if known.Location() != time.UTC || known.Nanosecond()%1_000 != 0 {
			return refuse("write it as t.UTC().Truncate(time.Microsecond)")
		}
		return known, nil
	case Dict:
		return plainDict(known, name, depth)
	}
	switch value.Kind() {
	case reflect.Pointer, reflect.Interface:
		return plainAt(value.Elem(), name, depth+1)
	}
	if _, is := value.Interface().(json.Marshaler); is {
		return refuse("it writes its own JSON: give what that says")
	}
	if _, is := value.Interface().(encoding.TextMarshaler); is {
		return refuse("it writes its own text: give that")
	}
	switch value.Kind() {
	case reflect.Bool:
		return value.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return big.NewInt(value.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return new(big.Int).SetUint64(value.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return value.Float(), nil
	case reflect.String:
		if !utf8.ValidString(value.String()) {
			return refuse("it is no valid UTF-8: give []byte")
		}
		return value.String(), nil
	case reflect.Slice, reflect.Array:
		return plainList(value, name, depth)
	case reflect.Map:
		return plainMap(value, name, depth)
	case reflect.Struct:
		return plainStruct(value, name, depth)
	}
	return refuse("there is no such value in other languages")
}

func plainList(value reflect.Value, name string, depth int) (any, error) {
	if value.Type().Elem().Kind() == reflect.Uint8 {
		data := make([]byte, value.Len())
		for i := range data {
			data[i] = byte(value.Index(i).Uint())
		}
		return data, nil
	}
	items := make([]any, value.Len())
	for i := range items {
		var err error
		if items[i], err = plainAt(value.Index(i), fmt.Sprintf("%s[%d]", name, i), depth+1); err != nil {
			return nil, err
		}
	}
	if value.Type() == reflect.TypeFor[Tuple]() {
		return Tuple(items), nil
	}
	return items, nil
}

func plainMap(value reflect.Value, name string, depth int) (any, error) {
	if value.Type().Key().Kind() != reflect.String {
		return nil, invalid(name, value.Type().String(), "has keys that are no text: give a Dict")
	}
	keys := value.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	found := Dict{}
	for _, key := range keys {
		found = append(found, Entry{key.String(), value.MapIndex(key).Interface()})
	}
	return plainDict(found, name, depth)
}

// plainStruct is a dictionary of the fields in their order, named as in JSON.
func plainStruct(value reflect.Value, name string, depth int) (any, error) {
	found := Dict{}
	for i := range value.NumField() {
		field := value.Type().Field(i)
		if !field.IsExported() || field.Anonymous {
			return nil, invalid(name, value.Type().String(), "has fields that are not exported, or embedded: give a Dict")
		}
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if key != "-" {
			found = append(found, Entry{orElse(key, field.Name), value.Field(i).Interface()})
		}
	}
	return plainDict(found, name, depth)
}

func plainDict(entries Dict, name string, depth int) (any, error) {
	found, seen := make(Dict, len(entries)), map[string]bool{}
	for i, entry := range entries {
		at := fmt.Sprintf("%s[%v]", name, entry.Key)
		key, err := plainAt(reflect.ValueOf(entry.Key), at, depth+1)
		if err != nil {
			return nil, err
		}
		value, err := plainAt(reflect.ValueOf(entry.Value), at, depth+1)
		if err != nil {
			return nil, err
		}
		encoded, err := encodeValue(key, at)
		if err != nil {
			return nil, err
		}
		number, isFloat := key.(float64)
		if isNaN := isFloat && math.IsNaN(number); seen[string(encoded)] && !isNaN { // NaN is not equal to itself
			return nil, invalid(name, entry.Key, "is a key twice")
		}
		seen[string(encoded)] = true
		found[i] = Entry{key, value}
	}
	return found, nil
}

// number is a number of JSON: a float if it has a point or an exponent, else an int of any size.
func number(text, name string) (any, error) {
	if strings.ContainsAny(text, ".eE") {
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, invalid(name, text, "is a number beyond what a float can be")
		}
		return value, nil
	}
	value, is := new(big.Int).SetString(text, 10)
	if !is {
		return nil, invalid(name, text, "is no number")
	}
	return value, nil
}
