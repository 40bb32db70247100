package xpstore

import (
	"context"
	"iter"
)

// Pages without anything on them, in a row, after which a server is taken to say nothing for ever.
const mostEmptyPages = 1_000

// pages yields what all pages of a list hold. An error is the last that is yielded.
//
// A page may be shorter than it could be, or empty: only an empty token is the end.
func pages[Wire, Item any](
	fetch func(token string) ([]Wire, string, error), item func(Wire) Item,
) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		var none Item
		token, marked, number, mark, empty := "", "", 0, 1, 0
		for {
			some, next, err := fetch(token)
			if err != nil {
				yield(none, err)
				return
			}
			for _, wire := range some {
				if !yield(item(wire), nil) {
					return
				}
			}
			if next == "" {
				return
			}
			number, empty = number+1, empty+1
			if len(some) > 0 {
				empty = 0
			}
			if next == marked || empty > mostEmptyPages {
				yield(none, fault(DataLoss, "the server's list does not end: its pages lead back or are empty"))
				return
			}
			if number == mark { // in a circle, however long, a page is met again that was marked
				mark, marked = 2*mark, next
			}
			token = next
		}
	}
}

// listed yields the items of all pages of a method. set puts a token into the request, get takes a page apart.
func listed[Request, Answer, Wire, Item any](
	ctx context.Context, c *Client, method method[Request, Answer], request func(token string) Request,
	get func(Answer) ([]Wire, string), item func(Wire) Item,
) iter.Seq2[Item, error] {
	return pages(func(token string) ([]Wire, string, error) {
		answer, err := call(ctx, c, method, request(token))
		if err != nil {
			return nil, "", err
		}
		some, next := get(answer)
		return some, next, nil
	}, item)
}
