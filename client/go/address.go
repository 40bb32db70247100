package xpstore

import (
	"net"
	"net/url"
	"strings"
)

const defaultPort = "50051"

// address is where a server is, and how to speak to it.
type address struct {
	target string // host:port, or the path of a socket
	isUnix bool
	isTLS  bool
}

// parseAddress reads "host:port", "http(s)://host:port", "grpc(s)://host:port" and "unix:path". Without a scheme,
// loopback is spoken to in plaintext and everything else by TLS.
func parseAddress(text string) (address, error) {
	refuse := func(why string) (address, error) {
		return address{}, invalid("Address", text, why)
	}
	if path, isUnix := strings.CutPrefix(text, "unix:"); isUnix {
		if path == "" {
			return refuse("write unix:path")
		}
		return address{target: strings.TrimPrefix(path, "//"), isUnix: true}, nil
	}
	scheme, rest, hasScheme := strings.Cut(text, "://")
	if !hasScheme {
		scheme, rest = "", text
	}
	switch scheme {
	case "", "http", "https", "grpc", "grpcs":
	default:
		return refuse("use host:port, https://host, grpcs://host:port or unix:path")
	}
	parts, err := url.Parse("//" + rest)
	if err != nil || parts.Hostname() == "" || parts.User != nil || strings.TrimSuffix(rest, "/") != parts.Host {
		return refuse("write host:port or https://host, without a user or a path")
	}
	host, port := parts.Hostname(), parts.Port()
	isOwn := isLoopback(host)
	isTLS := scheme == "https" || scheme == "grpcs" || (scheme == "" && !isOwn)
	if !isTLS && !isOwn {
		return refuse("the key would travel in plaintext; use https:// or grpcs:// beyond loopback")
	}
	if port == "" {
		port = defaultPort
		if scheme == "https" {
			port = "443"
		}
	}
	return address{target: net.JoinHostPort(host, port), isTLS: isTLS}, nil
}

// isLoopback says whether a host is this machine, reached by nobody else.
func isLoopback(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return host == "localhost"
}
