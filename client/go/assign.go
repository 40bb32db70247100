package xpstore

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
	"time"
)

// assign puts a plain value where a Go value of some type stands, if nothing of it is lost.
func assign(to reflect.Value, value any) error {
	misfit := func() error {
		return fault(InvalidArgument, "the result is a %T, which does not fit into %s", value, to.Type())
	}
	if node, is := value.(Node); is && to.Type() == reflect.TypeFor[json.RawMessage]() {
		value = json.RawMessage(node)
	}
	if value == nil {
		switch to.Kind() {
		case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Map:
			to.SetZero()
			return nil
		}
		return misfit()
	}
	if to.Kind() == reflect.Interface && to.NumMethod() == 0 {
		to.Set(reflect.ValueOf(loose(value)))
		return nil
	}
	if from := reflect.ValueOf(value); from.Type().AssignableTo(to.Type()) {
		loose(value) // what is in it
		to.Set(from)
		return nil
	}
	if to.Kind() == reflect.Pointer {
		to.Set(reflect.New(to.Type().Elem()))
		return assign(to.Elem(), value)
	}
	switch value := value.(type) {
	case bool:
		if to.Kind() == reflect.Bool {
			to.SetBool(value)
			return nil
		}
	case *big.Int:
		return assignInt(to, value, misfit)
	case float64:
		isSame := math.IsNaN(value) || float64(float32(value)) == value
		if to.Kind() == reflect.Float64 || (to.Kind() == reflect.Float32 && isSame) {
			to.SetFloat(value)
			return nil
		}
	case string:
		if to.Kind() == reflect.String {
			to.SetString(value)
			return nil
		}
	case []byte:
		if to.Kind() == reflect.Slice && to.Type().Elem().Kind() == reflect.Uint8 {
			to.SetBytes(value)
			return nil
		}
	case []any:
		return assignList(to, value, misfit)
	case Tuple:
		return assignList(to, value, misfit)
	case Dict:
		return assignDict(to, value, misfit)
	}
	return misfit()
}

func assignInt(to reflect.Value, value *big.Int, misfit func() error) error {
	switch {
	case to.Type() == reflect.TypeFor[time.Duration](): // an int says no unit
		return misfit()
	case to.CanInt() && value.IsInt64() && !to.OverflowInt(value.Int64()):
		to.SetInt(value.Int64())
	case to.CanUint() && value.IsUint64() && !to.OverflowUint(value.Uint64()):
		to.SetUint(value.Uint64())
	case to.CanFloat():
		number, accuracy := new(big.Float).SetInt(value).Float64()
		if accuracy != big.Exact {
			return misfit()
		}
		return assign(to, number)
	default:
		return misfit()
	}
	return nil
}

func assignList(to reflect.Value, items []any, misfit func() error) error {
	switch to.Kind() {
	case reflect.Slice:
		to.Set(reflect.MakeSlice(to.Type(), len(items), len(items)))
	case reflect.Array:
		if to.Len() != len(items) {
			return misfit()
		}
	default:
		return misfit()
	}
	for i, item := range items {
		if err := assign(to.Index(i), item); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return nil
}

func assignDict(to reflect.Value, entries Dict, misfit func() error) error {
	isMap := to.Kind() == reflect.Map
	if isMap {
		to.Set(reflect.MakeMapWithSize(to.Type(), len(entries)))
	} else if to.Kind() != reflect.Struct {
		return misfit()
	}
	for _, entry := range entries {
		var err error
		if isMap {
			key, value := reflect.New(to.Type().Key()).Elem(), reflect.New(to.Type().Elem()).Elem()
			if err = assign(key, entry.Key); err == nil {
				err = assign(value, entry.Value)
			}
			to.SetMapIndex(key, value)
		} else if field := fieldOf(to, entry.Key); field.IsValid() {
			err = assign(field, entry.Value)
		} else {
			err = misfit()
		}
		if err != nil {
			return fmt.Errorf("[%v]: %w", entry.Key, err)
		}
	}
	return nil
}

// fieldOf is the field of a struct that a key names, as in JSON.
func fieldOf(to reflect.Value, key any) reflect.Value {
	for i := range to.NumField() {
		field := to.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.IsExported() && name != "-" && orElse(name, field.Name) == key {
			return to.Field(i)
		}
	}
	return reflect.Value{}
}

// loose is a value as Go has it where no type is asked for: maps where all keys are text, int64 where that is enough.
func loose(value any) any {
	switch value := value.(type) {
	case *big.Int:
		if value.IsInt64() {
			return value.Int64()
		}
	case []any:
		for i, item := range value {
			value[i] = loose(item)
		}
	case Tuple:
		for i, item := range value {
			value[i] = loose(item)
		}
	case Dict:
		found := make(map[string]any, len(value))
		for i, entry := range value {
			value[i].Value = loose(entry.Value)
			if key, isText := entry.Key.(string); isText && found != nil {
				found[key] = value[i].Value
			} else {
				found = nil
			}
		}
		if found != nil {
			return found
		}
	}
	return value
}
