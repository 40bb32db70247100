package xpstore

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const userAgent = "xpstore-go/" + ModuleVersion

// How long limits are relied on: who reconnects may have been answered by another server, and is not told.
const limitsAge = time.Minute

// Options say which server, and how it is spoken to. The zero value takes all from the environment.
type Options struct {
	// Address is host:port, https://host, http://localhost:port or unix:path; default XPSTORE_API_URL. Without a scheme,
	// loopback is spoken to in plaintext and everything else by TLS.
	Address string
	// Key is the API key; default XPSTORE_API_KEY.
	Key string
	// CAFile has certificates of authorities in PEM, in place of the system's; default XPSTORE_TLS_CA.
	CAFile string
	// Timeout is how long a call is repeated while the server is away, since the last progress; default 30 s.
	Timeout time.Duration
	// PageSize is how many items of a list are asked for at once; default what the server gives.
	PageSize int
}

// Client is a connection to one server with one key.
type Client struct {
	conn      *grpc.ClientConn
	timeout   time.Duration
	pageSize  int32
	artifacts pb.ArtifactServiceClient
	cache     pb.CacheServiceClient
	transfers pb.TransferServiceClient
	hosts     *hosts
	down, up  way // past the server

	lock     sync.Mutex
	known    *pb.Limits
	knownEnd time.Time
}

// Connect opens a client, and proves address, key and contract by one call.
func Connect(ctx context.Context, options Options) (*Client, error) {
	options.Address = orElse(options.Address, os.Getenv("XPSTORE_API_URL"))
	options.Key = orElse(options.Key, os.Getenv("XPSTORE_API_KEY"))
	if options.Address == "" {
		return nil, invalid("Address", "", "say it, or set XPSTORE_API_URL")
	}
	if options.Key == "" || strings.ContainsAny(options.Key, "\r\n\x00") {
		return nil, fault(InvalidArgument, "the key is empty or has line feeds: set Key or XPSTORE_API_KEY")
	}
	if options.Timeout < 0 {
		return nil, invalid("Timeout", options.Timeout, "must not be negative")
	}
	if options.PageSize < 0 || options.PageSize > math.MaxInt32 {
		return nil, invalid("PageSize", options.PageSize, "must be 0 to 2^31 - 1")
	}
	at, err := parseAddress(options.Address)
	if err != nil {
		return nil, err
	}
	security, err := transport(at, options.CAFile)
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(targetOf(at), append(dialOptions(at), grpc.WithTransportCredentials(security),
		grpc.WithPerRPCCredentials(bearer{options.Key}))...)
	if err != nil {
		return nil, invalid("Address", options.Address, err.Error())
	}
	client := &Client{
		conn: conn, timeout: options.Timeout, pageSize: int32(options.PageSize),
		artifacts: pb.NewArtifactServiceClient(conn), cache: pb.NewCacheServiceClient(conn),
		transfers: pb.NewTransferServiceClient(conn), hosts: newHosts(at.isTLS),
	}
	if client.timeout == 0 {
		client.timeout = 30 * time.Second
	}
	if _, err := client.limits(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return client, nil
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func transport(at address, file string) (credentials.TransportCredentials, error) {
	if !at.isTLS {
		if file != "" {
			return nil, invalid("CAFile", file, "this address is spoken to in plaintext; write https:// before it")
		}
		return insecure.NewCredentials(), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if file = orElse(file, os.Getenv("XPSTORE_TLS_CA")); file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, invalid("CAFile", file, err.Error())
		}
		if config.RootCAs = x509.NewCertPool(); !config.RootCAs.AppendCertsFromPEM(data) {
			return nil, invalid("CAFile", file, "has no certificate in PEM")
		}
	}
	return credentials.NewTLS(config), nil
}

func targetOf(at address) string {
	if at.isUnix {
		return "passthrough:///localhost" // gRPC reads a path as a URL: one with # or ? or % would be another
	}
	return "dns:///" + at.target
}

func dialOptions(at address) []grpc.DialOption {
	options := []grpc.DialOption{
		grpc.WithUserAgent(userAgent),
		// Bytes wait before pings on a thin line: it is not dead because an answer takes a while.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: 30 * time.Second, Timeout: time.Minute, PermitWithoutStream: true,
		}),
		// A server that was restarted is found again soon.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second,
			},
			MinConnectTimeout: 10 * time.Second,
		}),
		// Said, so that gRPC does not measure the line by pings, of which a server takes one in 10 s.
		grpc.WithInitialWindowSize(4 << 20),
		grpc.WithInitialConnWindowSize(16 << 20),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(8 << 20)),
	}
	if at.isUnix {
		options = append(options, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", at.target)
		}))
	}
	return options
}

// bearer puts the key into every call, and a name by which the server's log knows it.
type bearer struct{ key string }

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails
	return map[string]string{"authorization": "Bearer " + b.key, "x-request-id": hex.EncodeToString(id)}, nil
}

// RequireTransportSecurity is false: parseAddress lets no key go in plaintext beyond loopback.
func (b bearer) RequireTransportSecurity() bool { return false }

// Conn is the connection, for services of the generated package xpstorev1; calls on it carry the key.
func (c *Client) Conn() *grpc.ClientConn { return c.conn }

// Close ends all that is under way.
func (c *Client) Close() error {
	c.hosts.close()
	return c.conn.Close()
}

// Limits asks the server what it accepts, and for its version.
func (c *Client) Limits(ctx context.Context) (*pb.Limits, error) {
	c.forgetLimits()
	return c.limits(ctx)
}

// limits are the server's, asked for again after a minute or when it was away: another one may have come back.
func (c *Client) limits(ctx context.Context) (*pb.Limits, error) {
	c.lock.Lock()
	known, end := c.known, c.knownEnd
	c.lock.Unlock()
	if known != nil && time.Now().Before(end) {
		return known, nil
	}
	answer, err := call(ctx, c, pb.NewLimitsServiceClient(c.conn).GetLimits, &pb.GetLimitsRequest{})
	if err != nil {
		return nil, err
	}
	limits := answer.GetLimits()
	first, _, _ := strings.Cut(limits.GetContractVersion(), ".")
	if own, _, _ := strings.Cut(ContractVersion, "."); first != own {
		return nil, fault(WrongContract, "the server speaks version %q of the contract, and this client %s: "+
			"take a release of this module that is made for that server", limits.GetContractVersion(), ContractVersion)
	}
	c.lock.Lock()
	c.known, c.knownEnd = limits, time.Now().Add(limitsAge)
	c.lock.Unlock()
	return limits, nil
}

func (c *Client) forgetLimits() {
	c.lock.Lock()
	c.known = nil
	c.lock.Unlock()
}

// NewID makes a random UUID, as ids are that clients make.
func NewID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// fromMicroseconds is a point in time as the contract has it.
func fromMicroseconds(us int64) time.Time { return time.UnixMicro(us).UTC() }
